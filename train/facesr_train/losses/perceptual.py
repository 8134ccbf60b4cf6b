"""Perceptual losses: what pushes the output towards the features of the original, and not its samples.

Johnson et al. 2016 (https://arxiv.org/abs/1603.08155) compare features of VGG; SRGAN and ESRGAN follow them.
Here the features are those of EfficientNet-Lite0 (`facesr_train.external.lite0`), because its weights come in
a package. In the place of VGG's conv2_2, conv3_4, conv4_4 and conv5_4 use stages 2, 3, 4 and 5. All are
linear bottlenecks, which suits ESRGAN's features before activation. Published weights of such terms are for
VGG's features and do not carry over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facesr_train.external.lite0 import TAPS, Lite0
from facesr_train.losses.features import unit_distance
from facesr_train.losses.pixel import charbonnier, l1, mse

_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "mse": mse, "charbonnier": charbonnier}


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptualConfig:
    """Which features are compared and how; crops should have at least 128 px (8x8 features at stage 5)."""

    distance: str = "l1"
    """`l1`: mean absolute difference (ESRGAN); `mse`: mean squared difference (SRGAN); `charbonnier`: between
    the two (EEGAN's code)."""
    stage1: float = 0.0
    """Weight of stage 1: 16 channels at half the side."""
    stage2: float = 0.0
    """24 channels at 1/4."""
    stage3: float = 0.0
    """40 channels at 1/8."""
    stage4: float = 0.0
    """80 channels at 1/16."""
    stage5: float = 1.0
    """112 channels at 1/16."""

    def __post_init__(self) -> None:
        if self.distance not in _DISTANCES:
            raise ValueError(
                f"perceptual: distance must be one of {', '.join(_DISTANCES)}, not {self.distance!r}"
            )
        if min(self.weights) < 0 or not any(self.weights):
            raise ValueError("perceptual: weights of stages must not be negative, and one must be positive")

    @property
    def weights(self) -> tuple[float, ...]:
        """Of stages 1 to 5."""
        return self.stage1, self.stage2, self.stage3, self.stage4, self.stage5


class PerceptualLoss(nn.Module):
    """Weighted sum of distances between stages of the two pictures.

    Args:
        config: Which and how.
        backbone: Called as `backbone(images, taps)`, gives the features of the first `taps` stages; frozen.
    """

    def __init__(self, config: PerceptualConfig, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self._weights = config.weights
        self._taps = max(index for index, weight in enumerate(config.weights, 1) if weight)
        self._distance = _DISTANCES[config.distance]

    @classmethod
    def build(cls, config: PerceptualConfig) -> PerceptualLoss:
        """Return the loss with the trained network.

        Raises:
            MissingExtraError: The extra `perceptual` is not installed.
        """
        return cls(config, Lite0.build())

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return a float32 scalar; the gradient goes to `output` alone.

        Args:
            output: (N, 3, H, W) RGB, about [0, 1].
            target: The same shape.
        """
        ours, theirs = _both(self.backbone, output, target, self._taps)
        terms = [
            weight * self._distance(mine.float(), other.float())
            for weight, mine, other in zip(self._weights[: self._taps], ours, theirs, strict=True)
            if weight
        ]
        return torch.stack(terms).sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlipsConfig:
    """Nothing to choose: `plips_lite0` is one measure, whose values can be compared between runs."""


class PlipsLoss(nn.Module):
    """Mean of `plips_lite0` over the batch.

    Args:
        config: Without options.
        backbone: As for `PerceptualLoss`.
    """

    def __init__(self, config: PlipsConfig, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    @classmethod
    def build(cls, config: PlipsConfig) -> PlipsLoss:
        """Return the loss with the trained network.

        Raises:
            MissingExtraError: The extra `perceptual` is not installed.
        """
        return cls(config, Lite0.build())

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return a float32 scalar, as `PerceptualLoss.forward`."""
        return _sum_of_distances(*_both(self.backbone, output, target, TAPS)).mean()


def plips_lite0(backbone: nn.Module, a: Tensor, b: Tensor) -> Tensor:
    """A perceptual distance in the form of LPIPS, over the five stages of Lite0; it is not LPIPS.

    LPIPS weighs channels as people judged; here all weigh the same, so its values are not comparable.

    Args:
        backbone: As for `PerceptualLoss`.
        a: (N, 3, H, W) RGB, about [0, 1].
        b: The same shape; both may have gradients, and swapping them changes nothing.

    Returns:
        (N,) float32, 0 for equal pictures, at most 20.
    """
    return _sum_of_distances(backbone(a, TAPS), backbone(b, TAPS))


def _both(
    backbone: nn.Module, output: Tensor, target: Tensor, taps: int
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Features of the two pictures; nothing is kept for a gradient of the target's."""
    with torch.no_grad():
        theirs = backbone(target, taps)
    return backbone(output, taps), theirs


def _sum_of_distances(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
    """(N,): `unit_distance`, summed over stages."""
    return torch.stack([unit_distance(a, b) for a, b in zip(ours, theirs, strict=True)]).sum(0)
