"""Enlargement by plain interpolation, which networks add to what they compute or start from."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor
from torch.nn import functional as F

from facesr_train.generators.reach import Interpolate

Skip: TypeAlias = Literal["none", "bilinear", "bicubic"]
SKIPS: tuple[Skip, ...] = ("none", "bilinear", "bicubic")
"""What can be added to the output of a network: nothing, or the enlarged input."""


def bilinear(image: Tensor) -> Tensor:
    """Twice the size: (N, C, H, W) -> (N, C, 2H, 2W); pixel centres at halves, edge repeated."""
    return F.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)


def bicubic(image: Tensor) -> Tensor:
    """As `bilinear`, with the cubic convolution kernel of a = -0.75, which torch and ONNX have."""
    return F.interpolate(image, scale_factor=2.0, mode="bicubic", align_corners=False)


def with_skip(output: Tensor, image: Tensor, skip: Skip) -> Tensor:
    """`output` (N, 3, 2H, 2W) with the enlarged `image` (N, 3, H, W) added."""
    if skip == "none":
        return output
    return output + (bilinear(image) if skip == "bilinear" else bicubic(image))


def skip_path(skip: Skip) -> tuple[Interpolate, ...]:
    """The way of the added image, for `reach.halo_of`."""
    return () if skip == "none" else (Interpolate(2 if skip == "bilinear" else 4),)
