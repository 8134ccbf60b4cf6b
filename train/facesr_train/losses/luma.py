"""The luma of pictures, which losses of structure look at alone."""

from __future__ import annotations

from torch import Tensor

WEIGHTS = (0.299, 0.587, 0.114)
"""ITU-R BT.601, full range: (N, 3, H, W) in [0, 1] gives luma in [0, 1]."""


def luma(image: Tensor) -> Tensor:
    """(N, 3, H, W) float RGB of any range -> (N, 1, H, W) luma of the same range and dtype."""
    return (image * image.new_tensor(WEIGHTS)[:, None, None]).sum(1, keepdim=True)
