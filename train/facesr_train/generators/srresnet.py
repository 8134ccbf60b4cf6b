"""SRResNet, the generator of SRGAN (Ledig et al. 2017, https://arxiv.org/abs/1609.04802), and its kin.

A 9x9 convolution, residual blocks with batch normalisation, a 3x3 convolution with a skip around all blocks,
pixel-shuffle by 2 and a 9x9 convolution: one stage of enlargement instead of the paper's two, for x2. The
paper feeds [0, 1] and compares in [-1, 1]; so does this one inside, and returns [0, 1]. The authors' code
was not available; the pattern of layers is that of public re-implementations. A parametric rectifier has one
slope for all channels by default, 1,401,749 parameters in all; the paper does not say.

Without batch normalisation, with leaky rectifiers and a bilinear skip from input to output it becomes the
network that later work uses: EDSR (Lim et al. 2017, https://arxiv.org/abs/1707.02921, with ReLU) and the
generator of RankSRGAN (Zhang et al. 2019, https://arxiv.org/abs/1908.06382). Here it also serves recipes in
the manner of papers whose text was not available to us: RaGAN for faces, IP-FSRGAN, the edge loss. The
networks differ from theirs in keeping the skip around all blocks and the head of SRResNet, at will with
smaller first and last kernels. With a skip from the input nothing is rescaled to [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facesr_train.generators.checks import check_choice, check_flag, check_positive
from facesr_train.generators.colours import from_symmetric
from facesr_train.generators.generator import Generator
from facesr_train.generators.precision import OutputConv
from facesr_train.generators.reach import Conv, Shuffle, halo_of
from facesr_train.generators.upsampling import SKIPS, Skip, skip_path, with_skip

SLOPE = 0.2
"""Of leaky rectifiers for negative values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SRResNetConfig:
    """Size and kind of an `SRResNet`; the defaults are SRGAN's, 1,401,749 parameters."""

    channels: int = 64
    blocks: int = 16
    """Residual blocks of two 3x3 convolutions."""
    outer_kernel_px: int = 9
    """Side of the first and the last kernel; odd."""
    batch_norm: bool = True
    activation: str = "prelu"
    """`prelu` with one slope for all channels, `prelu-per-channel`, `leaky-relu` or `relu`."""
    skip: Skip = "none"
    """Enlarged input that is added to the output: `none`, `bilinear` or `bicubic`."""
    final_tanh: bool = False
    """Tanh after the last convolution, which keeps the picture in range; without a skip only."""

    def __post_init__(self) -> None:
        check_positive(channels=self.channels, blocks=self.blocks)
        check_flag(batch_norm=self.batch_norm, final_tanh=self.final_tanh)
        check_choice("activation", self.activation, ("prelu", "prelu-per-channel", "leaky-relu", "relu"))
        check_choice("skip", self.skip, SKIPS)
        if self.outer_kernel_px < 1 or self.outer_kernel_px % 2 == 0:
            raise ValueError(f"generator.outer_kernel_px must be odd, not {self.outer_kernel_px}")
        if self.final_tanh and self.skip != "none":
            raise ValueError(
                "generator.final_tanh goes with skip = none: an enlarged input has its own range"
            )


class SRResNet(Generator):
    """(N, 3, H, W) float32 RGB [0, 1] -> (N, 3, 2H, 2W) float32, not clamped."""

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__()
        self.config = config
        channels, outer = config.channels, config.outer_kernel_px
        self.head = nn.Sequential(nn.Conv2d(3, channels, outer, padding=outer // 2), _activation(config))
        self.body = nn.Sequential(*(ResidualBlock(config) for _ in range(config.blocks)))
        self.gather = nn.Sequential(*_conv_and_norm(config))
        self.enlarge = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2), _activation(config)
        )
        self.tail = OutputConv(channels, 3, outer, padding=outer // 2)
        self._initialise()

    @property
    def halo(self) -> int:
        """Low-resolution pixels; batch normalisation is exported with fixed statistics and adds none."""
        outer = Conv(self.config.outer_kernel_px)
        main = (outer, Conv(3, count=2 * self.config.blocks + 2), Shuffle(), outer)
        return halo_of(main, skip_path(self.config.skip))

    def forward(self, image: Tensor) -> Tensor:
        """Return the doubled image."""
        shallow = self.head(image)
        output: Tensor = self.tail(self.enlarge(shallow + self.gather(self.body(shallow))))
        if self.config.skip == "none":
            return from_symmetric(torch.tanh(output) if self.config.final_tanh else output)
        return with_skip(output, image, self.config.skip)

    @torch.no_grad()
    def _initialise(self) -> None:
        """He initialisation; a tenth of it in blocks without normalisation, as ESRGAN's authors do."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        # Begin near mid-grey, or at the added image.
        self.tail.weight.mul_(0.1 if self.config.skip == "none" else 0.01)
        if not self.config.batch_norm:
            for module in self.body.modules():
                if isinstance(module, nn.Conv2d):
                    module.weight.mul_(0.1)


class ResidualBlock(nn.Module):
    """x + norm(conv(act(norm(conv(x))))), 3x3; (N, C, h, w) -> (N, C, h, w)."""

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_conv_and_norm(config), _activation(config), *_conv_and_norm(config))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        change: Tensor = self.layers(x)
        return x + change


def _conv_and_norm(config: SRResNetConfig) -> list[nn.Module]:
    conv = nn.Conv2d(config.channels, config.channels, 3, padding=1)
    return [conv, nn.BatchNorm2d(config.channels)] if config.batch_norm else [conv]


def _activation(config: SRResNetConfig) -> nn.Module:
    match config.activation:
        case "prelu":
            return nn.PReLU()
        case "prelu-per-channel":
            return nn.PReLU(config.channels)
        case "leaky-relu":
            return nn.LeakyReLU(SLOPE)
        case _:
            return nn.ReLU()
