"""EEGAN's generator: an ultra-dense network makes a picture, a second one replaces its edges by cleaner ones.

Jiang et al. 2019, "Edge-enhanced GAN for remote sensing image superresolution"
(https://doi.org/10.1109/TGRS.2019.2902431), after the structure of the authors' code
(https://github.com/kuijiang0802/EEGAN). The ultra-dense subnetwork (UDSN) enlarges; the edge-enhancement
subnetwork (EESN) takes the Laplacian E of that base picture, finds features of it at a quarter of the size,
amplifies them where a mask says so, and gives a new edge map E*. The result is base - E + E*. Full size:
7,247,366 parameters.

Differs from the code: one enlargement by 2 in the UDSN instead of two for x4 (the EESN is the same for any
factor), and the Laplacian repeats the edge of the picture, so that flat pictures have no edges at their
border either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.checks import check_choice, check_positive
from facesr_train.generators.colours import from_symmetric, to_symmetric
from facesr_train.generators.generator import Generator
from facesr_train.generators.reach import Conv, Layer, Shuffle, halo_of
from facesr_train.generators.upsampling import bicubic

SLOPE = 0.2
"""Of leaky rectifiers for negative values."""
LANES = 3
STEPS = 3
"""Of an ultra-dense block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EEGANConfig:
    """Size of an `EEGANNet`; the defaults are the authors', 7,247,366 parameters."""

    channels: int = 64
    """Width of the ultra-dense blocks; other layers have up to four times as many."""
    blocks: int = 6
    """Ultra-dense blocks of the network that enlarges."""
    edge_blocks: int = 3
    """Ultra-dense blocks of the network that enhances edges."""
    mask: str = "residual"
    """What the mask M does to features F: `residual` F * M + F, as in the authors' code; `gate` F * M, as the
    paper's text can be read, too."""

    def __post_init__(self) -> None:
        check_choice("mask", self.mask, tuple(MASKS))
        check_positive(channels=self.channels, blocks=self.blocks, edge_blocks=self.edge_blocks)


class EEGANNet(Generator):
    """(N, 3, H, W) float32 RGB [0, 1], H and W even -> (N, 3, 2H, 2W) float32, not clamped.

    Inside, pictures are in [-1, 1]. Of the outputs, `image` and `base` are pictures in [0, 1]; `edges` (E,
    of the base) and `enhanced_edges` (E*) are Laplacians in the same units. All are (N, 3, 2H, 2W).
    """

    multiple = 2
    outputs = ("image", "base", "edges", "enhanced_edges")

    def __init__(self, config: EEGANConfig) -> None:
        super().__init__()
        self.config = config
        self.enlarging = UltraDenseNet(config)
        self.enhancing = EdgeNet(config)

    @property
    def halo(self) -> int:
        """Low-resolution pixels along the longest way, through both networks."""
        return halo_of(_path(self.config))

    def forward(self, image: Tensor, every: bool = False) -> Tensor | dict[str, Tensor]:
        """Return the doubled image, or all `outputs` by name."""
        base = self.enlarging(to_symmetric(image))
        edges = laplacian(base)
        enhanced = self.enhancing(edges).enhanced
        picture = from_symmetric(base - edges + enhanced)
        if not every:
            return picture
        # A Laplacian of [0, 1] is half that of [-1, 1].
        return {
            "image": picture,
            "base": from_symmetric(base),
            "edges": edges / 2,
            "enhanced_edges": enhanced / 2,
        }

    def targets(self, original: Tensor) -> Mapping[str, Tensor]:
        """The original (N, 3, 2H, 2W) for the pictures, its Laplacian for the edge maps."""
        edges = laplacian(original)
        return {"image": original, "base": original, "edges": edges, "enhanced_edges": edges}


class UltraDenseNet(nn.Module):
    """UDSN: (N, 3, H, W) in [-1, 1] -> the base picture (N, 3, 2H, 2W) in [-1, 1], not clamped."""

    def __init__(self, config: EEGANConfig) -> None:
        super().__init__()
        channels = config.channels
        self.head = nn.Sequential(*_conv_act(3, 2 * channels), *_conv_act(2 * channels, channels))
        self.body = nn.Sequential(*(UltraDenseBlock(channels) for _ in range(config.blocks)))
        self.enlarge = nn.Sequential(*_enlarge(channels))
        self.tail = _conv(channels, 3)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)  # begin near bicubic

    def forward(self, image: Tensor) -> Tensor:
        """Return the base picture: bicubic, and what the network adds."""
        detail: Tensor = self.tail(self.enlarge(self.body(self.head(image))))
        return bicubic(image) + detail


class Edges(NamedTuple):
    """What the EESN makes of an edge map."""

    enhanced: Tensor
    """E* (N, 3, H, W), like the edge map."""
    mask: Tensor
    """M in (0, 1), (N, 4C, H/4, W/4): where features are amplified, by up to twice."""
    features: Tensor
    """F, same shape, before the mask."""


class EdgeNet(nn.Module):
    """EESN: edge map (N, 3, H, W), H and W multiples of 4 -> `Edges`."""

    def __init__(self, config: EEGANConfig) -> None:
        super().__init__()
        c = config.channels
        self.encode = nn.Sequential(
            *_conv_act(3, c),
            *_conv_act(c, c),
            *_conv_act(c, 2 * c, stride=2),
            *_conv_act(2 * c, 2 * c),
            *_conv_act(2 * c, 4 * c, stride=2),
            *_conv_act(4 * c, c),
        )
        blocks = (UltraDenseBlock(c) for _ in range(config.edge_blocks))
        self.body = nn.Sequential(*blocks, *_conv_act(c, 4 * c))
        self.mask = nn.Sequential(*_conv_act(c, c), *_conv_act(c, 2 * c), _conv(2 * c, 4 * c), nn.Sigmoid())
        self.decode = nn.Sequential(*_conv_act(4 * c, c), *_enlarge(c), *_enlarge(c))
        self.tail = _conv(c, 3)
        self._masked = MASKS[config.mask]
        with torch.no_grad():
            self.tail.weight.mul_(0.1)

    def forward(self, edges: Tensor) -> Edges:
        """Return the enhanced map with the mask and the features behind it."""
        code = self.encode(edges)
        features, mask = self.body(code), self.mask(code)
        return Edges(self.tail(self.decode(self._masked(features, mask))), mask, features)


class UltraDenseBlock(nn.Module):
    """x + what three lanes make of it that exchange features after every step; (N, C, h, w) -> (N, C, h, w).

    In a step each lane has a 3x3 convolution of its own; then a 1x1 in each lane reads all three results and
    what the lane held before.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.own = nn.ModuleList(_conv(channels, channels) for _ in range(STEPS * LANES))
        self.joint = nn.ModuleList(
            nn.Conv2d((LANES + 1) * channels, channels, 1) for _ in range(STEPS * LANES)
        )
        self.last = _conv(LANES * channels, channels)
        with torch.no_grad():
            self.last.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        lanes = [x] * LANES
        for step in range(STEPS):
            here = range(step * LANES, (step + 1) * LANES)
            results = torch.cat(
                [F.leaky_relu(self.own[i](lane), SLOPE) for i, lane in zip(here, lanes, strict=True)], 1
            )
            lanes = [
                F.leaky_relu(self.joint[i](torch.cat([results, lane], 1)), SLOPE)
                for i, lane in zip(here, lanes, strict=True)
            ]
        change: Tensor = self.last(torch.cat(lanes, 1))
        return x + change


def laplacian(image: Tensor) -> Tensor:
    """8 times a pixel minus its eight neighbours, per channel; (N, C, H, W) -> (N, C, H, W)."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    return 9 * (image - F.avg_pool2d(padded, 3, stride=1))


def masked(features: Tensor, mask: Tensor) -> Tensor:
    """F * M + F: features amplified where the mask is open, as they were where it is shut."""
    return features * mask + features


def gated(features: Tensor, mask: Tensor) -> Tensor:
    """F * M: features as they were where the mask is open, none where it is shut."""
    return features * mask


MASKS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"residual": masked, "gate": gated}


def _path(config: EEGANConfig) -> tuple[Layer, ...]:
    """The longest way from the picture to the output; parallel ones are shorter."""

    def blocks(count: int) -> Conv:
        return Conv(3, count=count * (STEPS + 1))

    enlarging = (Conv(3, count=2), blocks(config.blocks), Conv(3), Shuffle(), Conv(3))
    edges = (Conv(3), Conv(3, count=2), Conv(3, stride=2), Conv(3), Conv(3, stride=2), Conv(3))
    decoding = (Conv(3, count=2), Conv(3), Shuffle(), Conv(3), Shuffle(), Conv(3))
    return (*enlarging, *edges, blocks(config.edge_blocks), *decoding)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
    nn.init.kaiming_normal_(conv.weight, a=SLOPE)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _conv_act(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return _conv(inputs, outputs, stride), nn.LeakyReLU(SLOPE)


def _enlarge(channels: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return _conv(channels, 4 * channels), nn.PixelShuffle(2), nn.LeakyReLU(SLOPE)
