"""MSG-CapsGAN's generator, with outputs of three sizes that are all judged.

Majdabadi and Ko 2020, "MSG-CapsGAN: multi-scale gradient capsule GAN for face super resolution"
(https://doi.org/10.1109/ICEIC49074.2020.9051244), after the first author's code
(https://github.com/MahdiyarMM/MSG-CapsGAN). The trunk doubles three times; after each doubling a head turns
features into a picture: Tanh of the sum of the bicubic input and of Tanh of a convolution.

Differs from the code, which enlarges 16x16 to 128x128: for x2 the input is put into 48 channels at a quarter
of its size by pixel-unshuffle, so that the same trunk gives pictures of half, once and twice its size
(777,225 parameters). The branch that reads features of a pretrained network is off by default; theirs are
VGG19's, ours are whatever `features` gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.external.lite0 import CHANNELS, Lite0, Lite0Stages
from facesr_train.generators.checks import check_choice, check_positive
from facesr_train.generators.colours import from_symmetric, to_symmetric
from facesr_train.generators.generator import Generator
from facesr_train.generators.reach import UNSHUFFLE, Conv, Interpolate, Shuffle, halo_of
from facesr_train.generators.upsampling import bicubic

BN_MOMENTUM = 0.2
BN_EPS = 1e-3
"""Keras' momentum 0.8 and default epsilon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MSGConfig:
    """Size of an `MSGNet`; the defaults are the author's, 777,225 parameters."""

    channels: int = 64
    """Width of the trunk; four times as many after the second and third doubling."""
    features: str = "none"
    """What the trunk is shown of the enlarged input besides: `lite0-stage2`, 24 channels of a frozen
    EfficientNet-Lite0 (extra `perceptual`), part of the file, in the place of the author's VGG19."""

    def __post_init__(self) -> None:
        check_choice("features", self.features, ("none", "lite0-stage2"))
        check_positive(channels=self.channels)


class MSGNet(Generator):
    """(N, 3, H, W) float32 RGB [0, 1], H and W multiples of 4 -> (N, 3, 2H, 2W) float32 in (0, 1).

    The output `half` is a picture of H x W, `quarter` one of H/2 x W/2, in the same range.

    Args:
        config: Its size, and whether it has features.
        features: Optional, in the place of those of `config`: turns the enlarged input, (N, 3, 2H, 2W) RGB
            in [0, 1], into (N, `feature_channels`, H/2, W/2). It is frozen and stays in evaluation mode.
        feature_channels: Channels of these.

    Raises:
        MissingExtraError: `config.features` needs the extra `perceptual`, which is not installed.
    """

    multiple = 4
    outputs = ("image", "half", "quarter")

    def __init__(
        self, config: MSGConfig, *, features: nn.Module | None = None, feature_channels: int = 0
    ) -> None:
        super().__init__()
        if (features is None) != (feature_channels == 0):
            raise ValueError("features and feature_channels belong together: give both or neither")
        self.config = config
        if config.features == "lite0-stage2" and features is None:
            features, feature_channels = Lite0Stages(Lite0.build(), 2), CHANNELS[1]
        c = config.channels
        self.first = nn.Sequential(_conv(48, c), ResidualBlock(c))
        self.doublings = nn.ModuleList((_conv(c, c), _conv(c, 4 * c), _conv(c, 4 * c)))
        self.features = None if features is None else features.eval().requires_grad_(False)
        self.adapt = _conv(feature_channels, c) if features is not None else None
        wide = 2 * c if features is not None else c
        self.refine = nn.ModuleList(
            nn.Sequential(_conv(width, c), ResidualBlock(c)) for width in (wide, 4 * c)
        )
        self.heads = nn.ModuleList((_conv(c, 3), _conv(c, 3), _conv(4 * c, 3)))
        with torch.no_grad():
            for head in self.heads:
                head.weight.mul_(0.1)  # type: ignore[operator]

    @property
    def halo(self) -> int | None:
        """Low-resolution pixels; None with features, whose reach is not known here."""
        if self.features is not None:
            return None
        quarter = (UNSHUFFLE, UNSHUFFLE, Conv(3, count=3))
        trunk = (*quarter, Shuffle(), Conv(3, count=4), Shuffle(), Conv(3, count=4), Shuffle())
        return halo_of((*trunk, Conv(3, count=2)), (Interpolate(4),))

    def forward(self, image: Tensor, every: bool = False) -> Tensor | dict[str, Tensor]:
        """Return the doubled image, or all `outputs` by name."""
        low = to_symmetric(image)
        enlarged = bicubic(low)
        quarter = self._doubled(0, self.first(F.pixel_unshuffle(low, 4)))  # (N, C, H/2, W/2)
        if self.features is not None and self.adapt is not None:
            seen = self.adapt(self.features(from_symmetric(enlarged)))
            quarter = torch.cat([quarter, seen], 1)
        quarter = self.refine[0](quarter)
        half = self.refine[1](self._doubled(1, quarter))  # (N, C, H, W)
        picture = self._picture(2, self._doubled(2, half), enlarged)
        if not every:
            return picture
        reduced = F.interpolate(low, scale_factor=0.5, mode="bicubic", align_corners=False, antialias=True)
        return {
            "image": picture,
            "half": self._picture(1, half, low),
            "quarter": self._picture(0, quarter, reduced),
        }

    def train(self, mode: bool = True) -> MSGNet:
        """As `nn.Module.train`; the pretrained features never leave evaluation mode."""
        super().train(mode)
        if self.features is not None:
            self.features.eval()
        return self

    def targets(self, original: Tensor) -> Mapping[str, Tensor]:
        """The original (N, 3, 2H, 2W), and its means over 2x2 and 4x4 pixels for the smaller outputs."""
        half = F.avg_pool2d(original, 2)
        return {"image": original, "half": half, "quarter": F.avg_pool2d(half, 2)}

    def _doubled(self, stage: int, x: Tensor) -> Tensor:
        conv = self.doublings[stage]
        return F.relu(conv(F.interpolate(x, scale_factor=2.0, mode="nearest")))

    def _picture(self, stage: int, x: Tensor, bicubic_input: Tensor) -> Tensor:
        head = self.heads[stage]
        return from_symmetric(torch.tanh(torch.tanh(head(x)) + bicubic_input))


class ResidualBlock(nn.Module):
    """x + norm(conv(norm(relu(conv(x))))), 3x3; (N, C, h, w) -> (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv(channels, channels), nn.ReLU(), _norm(channels), _conv(channels, channels), _norm(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        change: Tensor = self.layers(x)
        return x + change


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BN_EPS, momentum=BN_MOMENTUM)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
