"""Channel attention: factors for channels from their means over the whole picture.

Squeeze-and-excitation (Hu et al. 2018, https://arxiv.org/abs/1709.01507) and efficient channel attention
(Wang et al. 2020, https://arxiv.org/abs/1910.03151). Through the mean an output pixel depends on every
input pixel, so a network with them has no finite halo.

Differs from both papers: the gate can be 2 * sigmoid instead of sigmoid, and with either gate the modules
start so that a trained network they are put into stays nearly (sigmoid, squeeze-and-excitation) or exactly
(2 * sigmoid) what it was.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Gate: TypeAlias = Literal["sigmoid", "2sigmoid"]
GATES: tuple[Gate, ...] = ("sigmoid", "2sigmoid")

REDUCTION = 16
"""Channels per hidden unit of squeeze-and-excitation."""
OPEN = 0.98
"""What a sigmoid gate of squeeze-and-excitation starts with."""


class ChannelAttention(nn.Module):
    """x times a factor for each channel: (N, C, h, w) -> (N, C, h, w)."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.ceiling = 2.0 if gate == "2sigmoid" else 1.0
        """Factors lie between 0 and this."""

    def factors(self, x: Tensor) -> Tensor:
        """The factors (N, C, 1, 1)."""
        return self.ceiling * torch.sigmoid(self.logits(x.mean((2, 3))))[:, :, None, None]

    def logits(self, means: Tensor) -> Tensor:
        """What the sigmoid is taken of: (N, C) -> (N, C)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features."""
        return x * self.factors(x)


class SqueezeExcitation(ChannelAttention):
    """Factors from two linear layers over all channels; 580 parameters for 64 channels."""

    def __init__(self, channels: int, gate: Gate) -> None:
        super().__init__(gate)
        hidden = max(1, channels // REDUCTION)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.constant_(self.excite.bias, 0.0 if gate == "2sigmoid" else math.log(OPEN / (1 - OPEN)))

    def logits(self, means: Tensor) -> Tensor:
        """As `ChannelAttention.logits`."""
        result: Tensor = self.excite(F.relu(self.squeeze(means)))
        return result


class EfficientAttention(ChannelAttention):
    """Factors from a convolution along the channels, without bias; 3 parameters for 64 channels."""

    def __init__(self, channels: int, gate: Gate) -> None:
        super().__init__(gate)
        kernel = kernel_for(channels)
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        if gate == "2sigmoid":
            nn.init.zeros_(self.conv.weight)

    def logits(self, means: Tensor) -> Tensor:
        """As `ChannelAttention.logits`."""
        result: Tensor = self.conv(means[:, None])[:, 0]
        return result


def kernel_for(channels: int) -> int:
    """The paper's rule: the odd number at or above the whole part of |log2(C) / 2 + 1 / 2|."""
    whole = int(abs(math.log2(channels) / 2 + 0.5))
    return whole if whole % 2 else whole + 1
