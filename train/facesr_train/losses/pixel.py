"""Losses per sample of a picture: what pushes the output towards the original itself."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

CHARBONNIER_EPSILON = 1e-3
"""In units of the [0, 1] range: a quarter of an 8-bit level, below which the loss is nearly quadratic."""


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of two (N, C, H, W) float pictures of one shape, [0, 1] -> scalar."""
    return F.l1_loss(output, target)


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error, the one that PSNR measures; shapes as for `l1`."""
    return F.mse_loss(output, target)


def charbonnier(output: Tensor, target: Tensor) -> Tensor:
    """mean(sqrt(d^2 + eps^2)) - eps, a smooth L1; shapes as for `l1`.

    Charbonnier et al. 1994; for super-resolution Lai et al. 2017, https://arxiv.org/abs/1704.03915. Shifted
    by eps, so that equal pictures give 0.
    """
    difference = output - target
    return (difference * difference + CHARBONNIER_EPSILON**2).sqrt().mean() - CHARBONNIER_EPSILON
