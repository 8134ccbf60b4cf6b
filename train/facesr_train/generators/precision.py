"""Convolutions that keep float32 where the rest of a network trains in less."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class OutputConv(nn.Conv2d):
    """A convolution whose output is a picture: (N, C, h, w) of any precision -> float32 (N, C', h, w).

    8-bit levels need more than bfloat16's 8 bits of mantissa, so autocast leaves it alone.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the picture."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))
