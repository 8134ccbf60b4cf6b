"""The losses that a recipe can name, weighted by the loop.

Each compares `output` and `target`, float32 RGB (N, 3, H, W), target in [0, 1], output not clamped, and
returns a scalar that is 0 (or the stated constant) where the two are equal; `rank` alone looks at the output
only. Some bring frozen networks of others, see `facesr_train.external`. A network with several outputs is
compared at several scales by naming a loss for each. The losses of the adversarial game, which compare
logits, are in `adversarial.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from facesr_train.losses.edges import EdgeMapConfig, EdgeMapLoss, EdgeMaskConfig, EdgeMaskLoss
from facesr_train.losses.fdpl import FdplConfig, FdplLoss
from facesr_train.losses.grid import GridConfig, GridLoss
from facesr_train.losses.identity import IdentityConfig, IdentityLoss
from facesr_train.losses.low_frequency import LowFrequencyConfig, LowFrequencyLoss
from facesr_train.losses.perceptual import PerceptualConfig, PerceptualLoss, PlipsConfig, PlipsLoss
from facesr_train.losses.pixel import charbonnier, l1, mse
from facesr_train.losses.rank import RankConfig, RankLoss
from facesr_train.losses.spectrum import SpectrumConfig, SpectrumLoss

Loss = Callable[[Tensor, Tensor], Tensor]
"""(output, target) -> scalar; a function, or a module whose weights are frozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    """Of a loss without settings."""


LOSSES: dict[str, tuple[type[Any], Callable[[Any], Loss]]] = {
    "l1": (NoConfig, lambda config: l1),
    "charbonnier": (NoConfig, lambda config: charbonnier),
    "mse": (NoConfig, lambda config: mse),
    "low-frequency": (LowFrequencyConfig, LowFrequencyLoss),
    "grid": (GridConfig, GridLoss),
    "spectrum": (SpectrumConfig, SpectrumLoss),
    "perceptual": (PerceptualConfig, PerceptualLoss.build),
    "plips": (PlipsConfig, PlipsLoss.build),
    "identity": (IdentityConfig, IdentityLoss.build),
    "fdpl": (FdplConfig, FdplLoss),
    "edge-mask": (EdgeMaskConfig, EdgeMaskLoss),
    "edge-map": (EdgeMapConfig, EdgeMapLoss),
    "rank": (RankConfig, RankLoss),
}
"""Recipe word -> (configuration, what makes the loss of it)."""
