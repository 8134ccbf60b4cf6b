"""Distances between feature maps, for losses that look at pictures through a trained network."""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = 1e-6
"""Added to the squared length, so that places without any feature have a gradient that is finite."""


def unit_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared distance between features of length 1, averaged over places.

    At every place the channels are scaled to a vector of length 1, as LPIPS does (Zhang et al. 2018,
    https://arxiv.org/abs/1801.03924), here with all channels of equal weight. It is 0 for equal features and
    at most 4.

    Args:
        a: (N, C, H, W) features of any float dtype.
        b: The same shape.

    Returns:
        (N,) float32.
    """
    difference = _unit(a) - _unit(b)
    return difference.square().sum(1).mean((1, 2))


def _unit(features: Tensor) -> Tensor:
    features = features.float()
    return features * torch.rsqrt(features.square().sum(1, keepdim=True) + _EPSILON)
