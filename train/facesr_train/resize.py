"""Antialiased halving of tensors, as matrices, for every filter that the degradations name."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

FILTERS = ("area", "bilinear", "bicubic", "lanczos")
"""Box, triangle, cubic with a = -0.5, Lanczos with three lobes; Pillow's filters of the same names."""

_SUPPORT = {"area": 0.5, "bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}


@cache
def halving_matrix(filter_name: str, size: int, device: torch.device) -> Tensor:
    """The (size / 2, size) float32 matrix that reduces a line of `size` samples to half.

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
    return (weights / weights.sum(1, keepdim=True)).float().to(device)


def halve(images: Tensor, filters: list[str]) -> Tensor:
    """Halve (N, C, H, W) float images, each with its own filter: (N, C, H/2, W/2), not rounded."""
    rows = torch.stack([halving_matrix(name, images.shape[2], images.device) for name in filters])
    columns = torch.stack([halving_matrix(name, images.shape[3], images.device) for name in filters])
    return rows[:, None] @ images @ columns[:, None].transpose(2, 3)


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
        a = -0.5
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        value = torch.where(x < 1, near, (((x - 5) * x + 8) * x - 4) * a)
    else:
        value = torch.sinc(x) * torch.sinc(x / 3)
    return torch.where(inside, value, torch.zeros_like(x))
