"""Losses that look at edges: where the original has them, and how strong they are.

In the manner of Seif and Androutsos 2018, "Edge-Based Loss Function for Single Image Super-Resolution",
ICASSP, whose text was not available to us: formula and weights are ours. Known is that a loss for salient
edges is added to the mean squared error. Both readings here are that addition alone; a recipe names `mse`
beside them, with the weights that it wants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.losses.luma import luma
from facesr_train.losses.pixel import charbonnier

_SOBEL = ((-0.25, 0.0, 0.25), (-0.5, 0.0, 0.5), (-0.25, 0.0, 0.25))
"""Across, scaled so that a sharp step of height h answers h."""
_ROUNDING = 1e-6
"""Added to the squared gradient, whose root has no slope at 0."""
_LEAST_GRADIENT = 4 / 255
"""In the unit of Canny's gradient, 4 for a sharp step of 1: what a step of one 8-bit level has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeMaskConfig:
    """How Canny's detector (1986, doi 10.1109/TPAMI.1986.4767851) finds the edges of the original."""

    sigma_px: float = 1.0
    """Of the Gaussian before the gradient."""
    thresholds: str = "shares"
    """`shares` of each picture's pixels that have a weaker gradient, because skin is smooth and a fixed
    threshold leaves little but the outline; less than one 8-bit level never counts. `fixed`: gradients in the
    unit of Canny's in scikit-image, where a sharp step from black to white has 4 before the Gaussian (0.1 and
    0.2 are its defaults; `low` and `high` must be named)."""
    low: float = 0.8
    high: float = 0.9
    """Of the hysteresis."""

    def __post_init__(self) -> None:
        if self.thresholds not in ("shares", "fixed"):
            raise ValueError(f"loss edge-mask: thresholds must be shares or fixed, not {self.thresholds!r}")
        most = 1 if self.thresholds == "shares" else 4
        if self.sigma_px <= 0 or not 0 <= self.low <= self.high < most:
            raise ValueError(f"loss edge-mask: needs sigma_px > 0 and 0 <= low <= high < {most}")


class EdgeMaskLoss(nn.Module):
    """Mean squared error of the pixels on and beside edges of the original: sum(M d^2) / (sum(M) + 1).

    (N, 3, H, W) float32 RGB twice -> scalar; 0 where the original has no edge. The mask is a constant, found
    on the processor for every batch.
    """

    def __init__(self, config: EdgeMaskConfig) -> None:
        super().__init__()
        self._config = config

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the error."""
        mask = edge_mask(target, self._config)
        squared = (output - target).square().mean(1, keepdim=True)
        return (mask * squared).sum() / (mask.sum() + 1)


def edge_mask(target: Tensor, config: EdgeMaskConfig) -> Tensor:
    """(N, 3, H, W) float RGB [0, 1] -> (N, 1, H, W) of 0 and 1 in its dtype: edges, widened by one pixel."""
    edges = canny_edges(target, config)
    return F.max_pool2d(edges, 3, stride=1, padding=1)


def canny_edges(target: Tensor, config: EdgeMaskConfig) -> Tensor:
    """(N, 3, H, W) float RGB [0, 1] -> (N, 1, H, W) of 0 and 1 in its dtype: edges one pixel wide."""
    # Here, as training without this loss starts without these packages.
    from scipy.ndimage import gaussian_filter, sobel
    from skimage.feature import canny

    find: Callable[..., Any] = canny  # scikit-image has no annotations
    found = []
    for picture in luma(target.detach().cpu().double()).squeeze(1).numpy():
        blurred = gaussian_filter(picture, config.sigma_px, mode="nearest")
        gradient = np.hypot(sobel(blurred, axis=0), sobel(blurred, axis=1))
        low, high = config.low, config.high
        if config.thresholds == "shares":
            low, high = np.quantile(gradient, (low, high)).clip(min=_LEAST_GRADIENT)
        settings = {"sigma": config.sigma_px, "low_threshold": low, "high_threshold": high}
        found.append(find(picture, mode="nearest", **settings))
    return torch.from_numpy(np.stack(found))[:, None].to(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeMapConfig:
    """What counts as an edge."""

    sigma_px: float = 1.0
    """Of the Gaussian before the gradient."""
    threshold: float = 0.1
    """Gradient at which a pixel is half an edge, in luma in [0, 1]; a sharp step of height h has h before the
    Gaussian."""
    softness: float = 0.02
    """Of the step from no edge to edge, in the same unit."""

    def __post_init__(self) -> None:
        if min(self.sigma_px, self.threshold, self.softness) <= 0:
            raise ValueError("loss edge-map: sigma_px, threshold and softness must be positive")


class EdgeMapLoss(nn.Module):
    """Difference of two soft edge maps, Charbonnier, 0 for equal pictures.

    (N, 3, H, W) float32 RGB twice -> scalar. The map is sigmoid((|gradient of the blurred luma| - threshold)
    / softness), so a gradient reaches the output, unlike with a detector's verdict.
    """

    blur: Tensor
    sobel: Tensor

    def __init__(self, config: EdgeMapConfig) -> None:
        super().__init__()
        self._config = config
        across = torch.tensor(_SOBEL)
        self.register_buffer("blur", _gaussian_kernel(config.sigma_px))
        self.register_buffer("sobel", torch.stack([across, across.T])[:, None])

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the difference."""
        return charbonnier(self.edge_map(output), self.edge_map(target))

    def edge_map(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) float RGB -> (N, 1, H, W) in (0, 1)."""
        border = self.blur.shape[-1] // 2 + 1
        picture = F.pad(luma(image), (border,) * 4, mode="replicate")
        gradient = F.conv2d(F.conv2d(picture, self.blur.to(image)), self.sobel.to(image))
        strength = (gradient.square().sum(1, keepdim=True) + _ROUNDING).sqrt()
        return torch.sigmoid((strength - self._config.threshold) / self._config.softness)


def _gaussian_kernel(sigma_px: float) -> Tensor:
    """(1, 1, k, k) float32 kernel of sum 1, cut at three standard deviations."""
    radius = max(1, round(3 * sigma_px))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    taps = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    taps = taps / taps.sum()
    return (taps[:, None] * taps).float()[None, None]
