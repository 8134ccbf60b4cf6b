"""The half-resolution network with large depthwise kernels, for more context per block at the same cost.

A block is a depthwise convolution, then a 1x1 that widens, ReLU and a 1x1 that narrows, with a residual: the
order of ConvNeXt (Liu et al. 2022, https://arxiv.org/abs/2201.03545); ShuffleMixer (Sun et al. 2022,
https://arxiv.org/abs/2205.15175) brought large depthwise kernels to small upscalers.

Differs from ConvNeXt: no normalisation, no layer scale, and ReLU in place of GELU, which runtimes merge into
the convolution before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.half_resolution import Block, HalfResolutionConfig, HalfResolutionNet


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeKernelConfig(HalfResolutionConfig):
    """Size of a `LargeKernelNet`; the defaults cost about as much as `face-x2`."""

    channels: int = 96
    blocks: int = 10
    """Blocks of a depthwise and two 1x1 convolutions."""
    kernel_px: int = 7
    """Side of the depthwise kernel at half resolution; odd."""
    expansion: int = 2
    """Channels between the two 1x1 convolutions, as a multiple of `channels`."""

    def __post_init__(self) -> None:
        # super() does not know its class in a dataclass with slots.
        HalfResolutionConfig.__post_init__(self)
        if self.kernel_px < 3 or self.kernel_px % 2 == 0:
            raise ValueError(f"generator.kernel_px must be odd and at least 3, not {self.kernel_px}")
        if self.expansion < 1:
            raise ValueError("generator.expansion must be at least 1")


class LargeKernelBlock(Block):
    """x + narrow(relu(widen(depthwise(x))))."""

    def __init__(self, channels: int, kernel_px: int, expansion: int) -> None:
        super().__init__()
        self.reach = kernel_px // 2
        self.depthwise = nn.Conv2d(channels, channels, kernel_px, padding=self.reach, groups=channels)
        self.widen = nn.Conv2d(channels, expansion * channels, 1)
        self.narrow = nn.Conv2d(expansion * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        change: Tensor = self.narrow(F.relu(self.widen(self.depthwise(x))))
        return x + change

    @torch.no_grad()
    def start_small(self, factor: float = 0.3) -> None:
        """Let the residual begin small."""
        self.narrow.weight.mul_(factor)


class LargeKernelNet(HalfResolutionNet):
    """As `HalfResolutionNet`, with blocks of a large depthwise kernel and two 1x1 convolutions."""

    config: LargeKernelConfig

    def make_block(self) -> Block:
        """One block with fresh weights."""
        return LargeKernelBlock(self.config.channels, self.config.kernel_px, self.config.expansion)
