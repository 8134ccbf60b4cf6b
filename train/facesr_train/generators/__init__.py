"""The generators that a recipe can name, one file each.

Every generator takes float32 RGB (N, 3, H, W) in [0, 1] and returns float32 (N, 3, sH, sW), not clamped.
It carries `scale`, `multiple` and `halo` (see `generator.Generator`). One with branches or bounded weights
for training only has `fold` (see `folding.Foldable`), and is exported folded. One whose losses look at more
than the final picture has `outputs` and `targets` (see `outputs.ManyOutputs`).

`half_resolution` and the files that derive from it are this project's; `paper`, `srresnet`, `rrdb`, `eegan`,
`msg` and `srcnn` are those of the literature, on shared parts: `colours`, `upsampling`, `attention`, `reach`.
"""

from __future__ import annotations

from typing import Any

from facesr_train.generators.eegan import EEGANConfig, EEGANNet
from facesr_train.generators.generator import Generator
from facesr_train.generators.half_resolution import HalfResolutionConfig, HalfResolutionNet
from facesr_train.generators.large_kernel import LargeKernelConfig, LargeKernelNet
from facesr_train.generators.msg import MSGConfig, MSGNet
from facesr_train.generators.paper import PaperConfig, PaperNet
from facesr_train.generators.reparameterised import ReparameterisedConfig, ReparameterisedNet
from facesr_train.generators.rrdb import RRDBConfig, RRDBNet
from facesr_train.generators.span import SpanConfig, SpanNet
from facesr_train.generators.srcnn import SRCNN, SRCNNConfig
from facesr_train.generators.srresnet import SRResNet, SRResNetConfig
from facesr_train.generators.two_scale import TwoScaleConfig, TwoScaleNet

GENERATORS: dict[str, tuple[type[Any], type[Generator]]] = {
    "half-resolution": (HalfResolutionConfig, HalfResolutionNet),
    "half-resolution-reparameterised": (ReparameterisedConfig, ReparameterisedNet),
    "half-resolution-span": (SpanConfig, SpanNet),
    "half-resolution-large-kernel": (LargeKernelConfig, LargeKernelNet),
    "half-resolution-two-scale": (TwoScaleConfig, TwoScaleNet),
    "paper": (PaperConfig, PaperNet),
    "srresnet": (SRResNetConfig, SRResNet),
    "rrdb": (RRDBConfig, RRDBNet),
    "eegan": (EEGANConfig, EEGANNet),
    "msg": (MSGConfig, MSGNet),
    "srcnn": (SRCNNConfig, SRCNN),
}
"""Recipe word -> (frozen configuration dataclass, network built from one)."""
