"""Discriminators in the style of VGG: pairs of convolutions that halve and widen, then two dense layers.

`srgan`: Ledig et al. 2017 (https://arxiv.org/abs/1609.04802). Kernel 3 throughout, eight convolutions of 64
to 512 channels, batch normalisation on all but the first, 16 times smaller at the end, dense 1024 and 1; the
numbers are from memory and from public implementations. `esrgan`: Wang et al. 2018
(https://arxiv.org/abs/1809.00219) as in BasicSR's discriminator for crops of 128 px: the strided convolutions
have kernel 4, there is a fifth pair of 512 channels, 32 times smaller at the end, dense 100 and 1. Its trunk
is also that of RankSRGAN's ranker (`losses/rank.py`).

The dense layer fixes the size of the pictures. We add `pooling`, for larger crops and whole photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Of the leaky rectifiers for negative values."""
STYLES = ("srgan", "esrgan")
POOLINGS = ("none", "average")
SRGAN_REDUCTION, ESRGAN_REDUCTION = 16, 32
"""Side of the picture over side of the last map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VggConfig:
    """Style and size."""

    style: str = "esrgan"
    """`srgan` or `esrgan`."""
    channels: int = 64
    """Width at full resolution; the last map has eight times this."""
    crop_px: int = 128
    """Side of the pictures that the dense layer is made for: 96 in SRGAN, 128 in ESRGAN; a multiple of the
    reduction, 16 or 32."""
    pooling: str = "none"
    """`none`: pictures must have that size. `average`: the last map is averaged to the size that it has
    there, so that any larger size fits; with `crop_px` equal to the reduction that is the global average."""

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"discriminator: style is {self.style!r}; there are {', '.join(STYLES)}")
        if self.pooling not in POOLINGS:
            raise ValueError(f"discriminator: pooling is {self.pooling!r}; there are {', '.join(POOLINGS)}")
        if self.channels < 1 or self.crop_px < 1 or self.crop_px % self.reduction:
            raise ValueError(
                f"discriminator: channels must be at least 1, and crop_px a multiple of {self.reduction}"
            )

    @property
    def reduction(self) -> int:
        """Side of the picture over side of the last map."""
        return SRGAN_REDUCTION if self.style == "srgan" else ESRGAN_REDUCTION


class VggDiscriminator(nn.Module):
    """(N, 3, H, W) float32 RGB [0, 1], `crop_px` a side or, with pooling, any size above -> logits (N, 1).

    With `srgan`, 64 channels and crops of 96 px it has 23,565,505 parameters.
    """

    def __init__(self, config: VggConfig) -> None:
        super().__init__()
        self._config = config
        srgan = config.style == "srgan"
        self.trunk = srgan_trunk(config.channels) if srgan else esrgan_trunk(config.channels)
        self._map_px = config.crop_px // config.reduction
        features, hidden = 8 * config.channels * self._map_px**2, 1024 if srgan else 100
        self.head = nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits.

        Raises:
            ValueError: Without pooling, the picture has another size than `crop_px`.
        """
        crop_px = self._config.crop_px
        pooled = self._config.pooling == "average"
        if not pooled and image.shape[-2:] != (crop_px, crop_px):
            raise ValueError(
                f"a discriminator for {crop_px}x{crop_px} px was given {tuple(image.shape[-2:])}: set "
                'discriminator.crop_px to data.hr_crop_px, or discriminator.pooling to "average"'
            )
        x = self.trunk(2 * image - 1)
        if pooled:
            x = F.adaptive_avg_pool2d(x, self._map_px)
        logits: Tensor = self.head(x.flatten(1))
        return logits


def srgan_trunk(channels: int) -> nn.Sequential:
    """(N, 3, H, W) -> (N, 8 `channels`, H / 16, W / 16)."""
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.LeakyReLU(SLOPE)]
    layers += _normed(channels, channels, stride=2)
    for factor in (2, 4, 8):
        layers += _normed(factor * channels // 2, factor * channels)
        layers += _normed(factor * channels, factor * channels, stride=2)
    return nn.Sequential(*layers)


def esrgan_trunk(channels: int) -> nn.Sequential:
    """(N, 3, H, W) -> (N, 8 `channels`, H / 32, W / 32)."""
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.LeakyReLU(SLOPE)]
    layers += _normed(channels, channels, kernel=4, stride=2, bias=False)
    width = channels
    for factor in (2, 4, 8, 8):
        layers += _normed(width, factor * channels, bias=False)
        width = factor * channels
        layers += _normed(width, width, kernel=4, stride=2, bias=False)
    return nn.Sequential(*layers)


def _normed(
    narrow: int, wide: int, *, kernel: int = 3, stride: int = 1, bias: bool = True
) -> tuple[nn.Module, ...]:
    """Convolution, batch normalisation, leaky rectifier. A bias there has no effect, but SRGAN's has one."""
    convolution = nn.Conv2d(narrow, wide, kernel, stride=stride, padding=1, bias=bias)
    return convolution, nn.BatchNorm2d(wide), nn.LeakyReLU(SLOPE)
