"""Changes of a line's length as matrices: each picture of a batch gets its own, and all go in one product."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

FILTERS = ("area", "bilinear", "bicubic", "lanczos")
"""Box, triangle, cubic with a = -0.5, Lanczos with three lobes; Pillow's filters of the same names."""

_SUPPORT = {"area": 0.5, "bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}

BLUR_RADIUS_PX = 7
"""Of the widest blur before a halving."""
LATE_BLUR_RADIUS_PX = 3
"""Of the widest blur after a halving."""
TAPS = 2 * BLUR_RADIUS_PX + 1
LATE_TAPS = 2 * LATE_BLUR_RADIUS_PX + 1
WEIGHTS = len(FILTERS) * TAPS + LATE_TAPS
"""Matrices in a `reduction_basis`."""


def halving_matrix(filter_name: str, size: int) -> Tensor:
    """The (size / 2, size) float64 matrix that reduces a line of `size` samples to half.

    The filter is stretched by 2 (antialiasing) and its taps renormalised where the border cuts it, as
    Pillow's `Image.resize` does.

    Raises:
        ValueError: `size` is odd or the filter unknown.
    """
    if size % 2:
        raise ValueError(f"a side of {size} pixels cannot be halved")
    centre = 2.0 * torch.arange(size // 2, dtype=torch.float64) + 1.0
    distance = (torch.arange(size, dtype=torch.float64)[None, :] + 0.5 - centre[:, None]) / 2.0
    weights = _filter(filter_name, distance)
    return weights / weights.sum(1, keepdim=True)


@lru_cache(maxsize=8)
def reduction_basis(size: int, device: torch.device) -> Tensor:
    """The matrices of which every blur and halving of a line of `size` samples is a weighted sum.

    Row `TAPS * filter + BLUR_RADIUS_PX + k` halves with that filter of `FILTERS` what is shifted by k; the
    last `LATE_TAPS` rows halve with the bilinear filter and shift the result. The border is mirrored
    without repeating the last sample.

    Returns:
        (WEIGHTS, size / 2 * size) float32.

    Raises:
        ValueError: `size` is odd.
    """
    rows = []
    for name in FILTERS:
        matrix = halving_matrix(name, size)
        for shift in range(-BLUR_RADIUS_PX, BLUR_RADIUS_PX + 1):
            moved = torch.zeros_like(matrix).index_add_(1, _mirrored(size, shift), matrix)
            rows.append(moved.flatten().float())
    late = halving_matrix("bilinear", size)
    for shift in range(-LATE_BLUR_RADIUS_PX, LATE_BLUR_RADIUS_PX + 1):
        rows.append(late[_mirrored(size // 2, shift)].flatten().float())
    return torch.stack(rows).to(device)


def reduce(images: Tensor, weights: Tensor) -> Tensor:
    """Blur and halve pictures, each by its own weights of the `reduction_basis`, rows and columns alike.

    Args:
        images: (N, C, H, W) float32, H and W even.
        weights: (N, WEIGHTS) float32 on the same device.

    Returns:
        (N, C, H / 2, W / 2) float32, not rounded.
    """
    n, _, height, width = images.shape
    rows = (weights @ reduction_basis(height, images.device)).view(n, 1, height // 2, height)
    if width == height:
        columns = rows
    else:
        columns = (weights @ reduction_basis(width, images.device)).view(n, 1, width // 2, width)
    return rows @ images @ columns.mT


def resample(images: Tensor, taken_px: Tensor, cubic: Tensor, side_px: int) -> Tensor:
    """Bring the upper left squares of pictures to one size by cubic convolution, antialiased where reduced.

    Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711; taps that the border cuts off are left out and the
    others renormalised.

    Args:
        images: (N, C, S, S) float32.
        taken_px: (N,) int64, the side of each square, at most S.
        cubic: (N,) float32, the kernel's a.
        side_px: Side of the result.

    Returns:
        (N, C, side, side) float32, not rounded.
    """
    scale = (taken_px.float() / side_px).view(-1, 1, 1)
    centre = (torch.arange(side_px, device=images.device, dtype=torch.float32) + 0.5)[:, None] * scale
    source = torch.arange(images.shape[-1], device=images.device, dtype=torch.float32)
    distance = (source + 0.5 - centre) / scale.clamp_min(1)
    weights = _cubic(distance.abs(), cubic.view(-1, 1, 1)) * (source < taken_px.view(-1, 1, 1))
    matrices = (weights / weights.sum(2, keepdim=True))[:, None]
    return matrices @ images @ matrices.mT


def _mirrored(size: int, shift: int) -> Tensor:
    """(size,) int64: which sample stands `shift` after each one, mirrored at the ends."""
    index = (torch.arange(size) + shift).abs()
    return torch.where(index >= size, 2 * size - 2 - index, index)


def _filter(name: str, x: Tensor) -> Tensor:
    """Value of the filter at distance `x` (in output pixels)."""
    if name not in _SUPPORT:
        raise ValueError(f"unknown filter {name!r}; there are {', '.join(FILTERS)}")
    x = x.abs()
    inside = x < _SUPPORT[name]
    if name == "area":
        value = torch.ones_like(x)
    elif name == "bilinear":
        value = 1 - x
    elif name == "bicubic":
        value = _cubic(x, torch.tensor(-0.5, dtype=x.dtype))
    else:
        value = torch.sinc(x) * torch.sinc(x / 3)
    return torch.where(inside, value, torch.zeros_like(x))


def _cubic(x: Tensor, a: Tensor) -> Tensor:
    """Value of the cubic convolution kernel at distance `x`, not negative."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
