"""ESRGAN's generator of residual-in-residual dense blocks, for x2, with optional channel attention.

Wang et al. 2018, https://arxiv.org/abs/1809.00219; x2 as in Real-ESRGAN (Wang et al. 2021,
https://arxiv.org/abs/2107.10833): pixel-unshuffle by 2 puts the picture into 12 channels at half size, where
the blocks work, and the x4 network stays as it is after its first convolution. Full size: 16,703,171
parameters.

TransferGAN (Xiao et al. 2020) trains this network along a chain of domains. CA-ESRGAN (Liu and Chandrasiri
2024) adds attention to it; where that sits was not available to us, so this is in the manner of the paper:
on the output of every dense block before it is scaled and added, or also on every RRDB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.attention import GATES, EfficientAttention, Gate, SqueezeExcitation
from facesr_train.generators.checks import check_choice, check_positive
from facesr_train.generators.generator import Generator
from facesr_train.generators.precision import OutputConv
from facesr_train.generators.reach import UNSHUFFLE, Conv, Shuffle, halo_of
from facesr_train.generators.upsampling import SKIPS, Skip, skip_path, with_skip

SLOPE = 0.2
"""Of leaky rectifiers for negative values."""
RESIDUAL_SCALE = 0.2
"""What the output of dense blocks and of RRDBs is multiplied by before it is added."""
DENSE_CONVS = 5
DENSE_BLOCKS = 3
"""Dense blocks in an RRDB."""
ATTENTIONS = ("none", "eca", "se", "se-rrdb+eca-rdb")


@dataclass(frozen=True, slots=True, kw_only=True)
class RRDBConfig:
    """Size of an `RRDBNet`; the defaults are ESRGAN's, 16,703,171 parameters."""

    channels: int = 64
    growth: int = 32
    """Channels that each convolution of a dense block adds."""
    blocks: int = 23
    """RRDBs, of three dense blocks of five convolutions each."""
    attention: str = "none"
    """`none`; `eca` or `se` on every dense block; `se-rrdb+eca-rdb`: also squeeze-and-excitation on RRDBs."""
    gate: Gate = "2sigmoid"
    """Of the attention: `sigmoid` as in its papers, or `2sigmoid`, which starts as the identity."""
    skip: Skip = "none"
    """Enlarged input that is added to the output: `none` as in ESRGAN, `bilinear` or `bicubic`."""

    def __post_init__(self) -> None:
        check_positive(channels=self.channels, growth=self.growth, blocks=self.blocks)
        check_choice("attention", self.attention, ATTENTIONS)
        check_choice("gate", self.gate, GATES)
        check_choice("skip", self.skip, SKIPS)


class RRDBNet(Generator):
    """(N, 3, H, W) float32 RGB [0, 1], H and W even -> (N, 3, 2H, 2W) float32, not clamped."""

    multiple = 2

    def __init__(self, config: RRDBConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.first = _conv(12, channels)
        self.body = nn.Sequential(*(RRDB(config) for _ in range(config.blocks)))
        self.gather = _conv(channels, channels)
        self.enlarge = nn.ModuleList(_conv(channels, channels) for _ in range(2))
        self.refine = _conv(channels, channels)
        self.last = OutputConv(channels, 3, 3, padding=1)
        self._initialise()

    @property
    def halo(self) -> int | None:
        """Low-resolution pixels, 698 at full size; None with attention, which looks at the whole picture."""
        if self.config.attention != "none":
            return None
        trunk = Conv(3, count=self.config.blocks * DENSE_BLOCKS * DENSE_CONVS + 2)
        tail = (Shuffle(), Conv(3), Shuffle(), Conv(3, count=3))
        return halo_of((UNSHUFFLE, trunk, *tail), skip_path(self.config.skip))

    def forward(self, image: Tensor) -> Tensor:
        """Return the doubled image."""
        shallow = self.first(F.pixel_unshuffle(image, 2))  # (N, C, H/2, W/2)
        x = shallow + self.gather(self.body(shallow))
        for conv in self.enlarge:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2.0, mode="nearest")), SLOPE)
        x = F.leaky_relu(self.refine(x), SLOPE)  # (N, C, 2H, 2W)
        return with_skip(self.last(x), image, self.config.skip)

    @torch.no_grad()
    def _initialise(self) -> None:
        """He initialisation, a tenth of it in dense blocks and before the picture, as the authors do."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for part in (*self.body.modules(), self.last):
            if isinstance(part, nn.Conv2d):
                part.weight.mul_(0.1)
        if self.config.skip != "none":
            self.last.weight.mul_(0.1)  # begin at the added image


class RRDB(nn.Module):
    """x + 0.2 * three dense blocks in a row; (N, C, h, w) -> (N, C, h, w)."""

    def __init__(self, config: RRDBConfig) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(config) for _ in range(DENSE_BLOCKS)))
        self.attention = (
            SqueezeExcitation(config.channels, config.gate)
            if config.attention == "se-rrdb+eca-rdb"
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        change: Tensor = self.attention(self.blocks(x))
        return x + RESIDUAL_SCALE * change


class DenseBlock(nn.Module):
    """x + 0.2 * five convolutions, each of which sees all before it; (N, C, h, w) -> (N, C, h, w)."""

    def __init__(self, config: RRDBConfig) -> None:
        super().__init__()
        channels, growth = config.channels, config.growth
        self.convs = nn.ModuleList(
            _conv(channels + index * growth, growth if index < DENSE_CONVS - 1 else channels)
            for index in range(DENSE_CONVS)
        )
        self.attention = _dense_attention(config)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        features = [x]
        for conv in self.convs:
            features.append(conv(torch.cat(features, 1)))
            if len(features) <= DENSE_CONVS:  # the last one stays linear
                features[-1] = F.leaky_relu(features[-1], SLOPE)
        change: Tensor = self.attention(features[-1])
        return x + RESIDUAL_SCALE * change


def from_esrgan(layers: Mapping[str, Tensor] | Iterable[Tensor], network: RRDBNet) -> dict[str, Tensor]:
    """Turn the weights of an x4 ESRGAN generator into a state dictionary for an x2 `network` of its size.

    All convolutions carry over but the first, whose kernel for a channel goes to that channel's four phases,
    a quarter each: it then sees the picture reduced by 2, and the whole network gives what the x4 one makes
    of that. Attention keeps the weights that `network` has.

    Args:
        layers: Weight (out, in, 3, 3) and bias (out,) of each convolution by turns, in the order in which
            the network computes; names do not matter. 351 convolutions for 23 blocks.
        network: Its state dictionary is the pattern; it stays as it is.

    Raises:
        ValueError: There are more or fewer layers, or one has another shape.
    """
    given = list(layers.values() if isinstance(layers, Mapping) else layers)
    result = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    names = [
        f"{name}.{part}"
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
        for part in ("weight", "bias")
    ]
    if len(given) != len(names):
        raise ValueError(
            f"{len(names) // 2} convolutions are needed for {network.config.blocks} blocks, "
            f"but there are {len(given) / 2:g}"
        )
    for name, tensor in zip(names, given, strict=True):
        if name == "first.weight" and tensor.ndim == 4:
            tensor = tensor.repeat_interleave(4, dim=1) / 4
        if tensor.shape != result[name].shape:
            raise ValueError(f"{name} is {tuple(result[name].shape)}, but the layer is {tuple(tensor.shape)}")
        result[name] = tensor.to(result[name]).clone()
    return result


def _dense_attention(config: RRDBConfig) -> nn.Module:
    match config.attention:
        case "none":
            return nn.Identity()
        case "se":
            return SqueezeExcitation(config.channels, config.gate)
        case _:
            return EfficientAttention(config.channels, config.gate)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
