"""The half-resolution network with the parameter-free attention of SPAN in its blocks.

SPAN (Wan et al. 2024, https://arxiv.org/abs/2311.12770) multiplies a block's features by an odd function of
themselves, sigmoid(h) - 1/2: strong features are emphasised whatever their sign. There are no weights to it
and no pooling over the image, so what a pixel depends on stays finite.

Differs from the paper: the residual sum is multiplied by 1 + (sigmoid(h) - 1/2). The paper's factor alone is
below a half everywhere and would fade features of images in [0, 1] from block to block; it feeds 0..255 and
joins the outputs of several blocks. Its convolutions are plain ones, which `reparameterised` tries apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.half_resolution import Block, HalfResolutionConfig, HalfResolutionNet


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanConfig(HalfResolutionConfig):
    """Size of a `SpanNet`; the defaults cost as much as `face-x2`."""

    blocks: int = 4
    """Blocks of three 3x3 convolutions."""


class SpanBlock(Block):
    """(x + h) * (1/2 + sigmoid(h)), h = conv(silu(conv(silu(conv(x))))), 3x3."""

    reach = 3

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.third = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        change: Tensor = self.third(F.silu(self.second(F.silu(self.first(x)))))
        return (x + change) * (0.5 + torch.sigmoid(change))

    @torch.no_grad()
    def start_small(self, factor: float = 0.3) -> None:
        """Let the residual begin small, and the attention near 1."""
        self.third.weight.mul_(factor)


class SpanNet(HalfResolutionNet):
    """As `HalfResolutionNet`, with blocks of three convolutions and attention."""

    def make_block(self) -> Block:
        """One block with fresh weights."""
        return SpanBlock(self.config.channels)
