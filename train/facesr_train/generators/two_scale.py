"""The half-resolution network with a second body at a quarter of the input resolution.

Beside the first blocks of the body a coarse one runs: a 3x3 convolution of stride 2 reads what the head
made, residual blocks of more channels follow, and a 1x1 convolution with pixel-shuffle by 2 brings their
result back to half resolution, where it is added to the body's. So the later blocks know of a wider
neighbourhood (what blur and what noise the photograph has), and most weights work where a pixel costs a
quarter. Scales that are added where they meet again are those of U-Net (Ronneberger et al. 2015,
https://arxiv.org/abs/1505.04597) as NAFNet has it (Chen et al. 2022, https://arxiv.org/abs/2204.04676).

Differs from them: two scales only, so that the context stays small, and the fine one keeps its own blocks
beside the coarse one instead of waiting for it. All 3x3 convolutions of the blocks have the branches of
`reparameterised` in training; `expansion = 0` is the network without them, which the others fold to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.half_resolution import (
    COARSE,
    Block,
    HalfResolutionConfig,
    HalfResolutionNet,
    ResidualBlock,
)
from facesr_train.generators.reach import Conv, Shuffle, halo_of
from facesr_train.generators.reparameterised import (
    ReparameterisedBlock,
    folded_weights,
    unfolded_weights,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoScaleConfig(HalfResolutionConfig):
    """Size of a `TwoScaleNet`; the defaults take 96 GFLOP for a photograph of 512x512."""

    coarse_channels: int = 128
    """Width of the second body."""
    coarse_blocks: int = 3
    """Its residual blocks of two 3x3 convolutions."""
    joins: int = 3
    """Blocks of the first body after which the second one's result is added."""
    expansion: int = 2
    """As in `ReparameterisedConfig`; 0: no branches."""

    def __post_init__(self) -> None:
        # super() does not know its class in a dataclass with slots.
        HalfResolutionConfig.__post_init__(self)
        if self.coarse_channels < 1 or self.coarse_blocks < 1:
            raise ValueError("generator: coarse_channels and coarse_blocks must be at least 1")
        if not 0 <= self.joins <= self.blocks:
            raise ValueError("generator.joins must lie in 0..blocks")
        if self.expansion < 0:
            raise ValueError("generator.expansion must not be negative")


class CoarseBody(nn.Module):
    """(N, C, h, w) -> (N, C, h, w) by way of half the size and `coarse_channels`; h and w even."""

    def __init__(self, config: TwoScaleConfig) -> None:
        super().__init__()
        width = config.coarse_channels
        self.down = nn.Conv2d(config.channels, width, 3, stride=2, padding=1)
        self.body = nn.Sequential(*(_block(width, config.expansion) for _ in range(config.coarse_blocks)))
        self.up = nn.Conv2d(width, 4 * config.channels, 1)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the body's features."""
        return F.pixel_shuffle(self.up(self.body(self.down(x))), 2)

    @torch.no_grad()
    def _initialise(self) -> None:
        """He initialisation; blocks and what is added begin small."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        for block in self.body:
            assert isinstance(block, Block)
            block.start_small()
        self.up.weight.mul_(0.1)


class TwoScaleNet(HalfResolutionNet):
    """As `HalfResolutionNet`, H and W divisible by 4."""

    multiple = 4
    config: TwoScaleConfig

    def __init__(self, config: TwoScaleConfig) -> None:
        super().__init__(config)
        self.coarse = CoarseBody(config)

    def make_block(self) -> Block:
        """One block of the body at half resolution with fresh weights."""
        return _block(self.config.channels, self.config.expansion)

    @property
    def halo(self) -> int:
        """Low-resolution pixels, by the way that reaches farther."""
        head, tail = Conv(6, stride=2), (Conv(3), Shuffle(4))
        after = Conv(3, count=2 * (self.config.blocks - self.config.joins))
        before = Conv(3, count=2 * self.config.joins)
        coarse = (Conv(3, stride=2), Conv(3, count=2 * self.config.coarse_blocks), Shuffle(2))
        return halo_of((head, before, after, *tail), (head, *coarse, after, *tail))

    def features(self, x: Tensor) -> Tensor:
        """Both bodies: (N, C, h, w) -> (N, C, h, w)."""
        joins = self.config.joins
        joined: Tensor = self.body[:joins](x) + self.coarse(x)
        result: Tensor = self.body[joins:](joined)
        return result

    @torch.no_grad()
    def fold(self) -> TwoScaleNet:
        """The network without branches that computes the same, with weights of its own."""
        with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
            plain = TwoScaleNet(dataclasses.replace(self.config, expansion=0))
        plain.load_state_dict(folded_weights(self), assign=True)
        return plain.train(self.training)

    @torch.no_grad()
    def unfolded(self, plain: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A state dictionary for this network that computes what `plain`, one of its folded form, does.

        As `ReparameterisedNet.unfolded`. A `plain` without a second body, that of a `HalfResolutionNet`,
        gets a fresh one that adds nothing yet.

        Args:
            plain: Weights as `fold` gives them.

        Raises:
            ValueError: Weights are missing in `plain` or of another shape.
        """
        if any(name.startswith(COARSE) for name in plain):
            return unfolded_weights(self, plain)
        weights = unfolded_weights(self, plain, fresh=COARSE)
        for name in ("weight", "bias"):
            weights[f"{COARSE}up.{name}"].zero_()
        return weights


def _block(channels: int, expansion: int) -> Block:
    return ReparameterisedBlock(channels, expansion) if expansion else ResidualBlock(channels)
