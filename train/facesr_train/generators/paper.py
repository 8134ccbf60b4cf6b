"""The generator of "Image super resolution of human face images using GAN", layer by layer.

A strided 2x2 convolution halves the picture, 3x3 convolutions with Tanh follow, pixel-shuffle (Shi et al.
2016, https://arxiv.org/abs/1609.05158) doubles it twice, and the bilinear enlargement of the input, times a
learned number between 0.2 and 0.8, is added. All of it happens in colours normalised with ImageNet's mean
and deviation.

The text fixes the first convolution (kernel 2, stride 2, 64 channels), 3x3 convolutions that keep the size
with Tanh between, pixel-shuffles and the bounds of the number. Ours are the readings where it is silent:
widths and count of the convolutions, the place of the shuffles (two are needed, from half to double size),
one number for all channels that starts at 0.5, and a sum instead of a weighted mean (with the number at its
upper bound the sum alone has a PSNR near the published 25.66 dB). Differs from the letter of the text: no
Tanh after the last convolution, which would cut off what must be added at small values of the number.
`PaperConfig` offers the other readings.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.checks import check_choice, check_flag, checked_widths
from facesr_train.generators.colours import IMAGENET_MEAN, IMAGENET_STD, Standardisation
from facesr_train.generators.generator import Generator
from facesr_train.generators.precision import OutputConv
from facesr_train.generators.reach import UNSHUFFLE, Conv, Interpolate, Shuffle, halo_of
from facesr_train.generators.upsampling import bilinear

LOWEST, HIGHEST = 0.2, 0.8
"""Bounds of the number that the enlarged input is multiplied by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperConfig:
    """A reading of the paper's generator; the defaults have 465,645 parameters."""

    widths: tuple[int, ...] = (64, 64, 128, 256)
    """Channels at half size: of the strided convolution, then of each 3x3; the last is a multiple of 4."""
    tail_widths: tuple[int, ...] = (64, 32)
    """Channels of the 3x3 convolutions between the two pixel-shuffles, without the last one's 12."""
    blend: str = "additive"
    """`additive`: main + s * enlarged; `convex`: (1 - s) * main + s * enlarged."""
    scale_param: str = "clamp"
    """How s is kept in 0.2..0.8: `clamp`, or `sigmoid`: 0.2 + 0.6 * sigmoid."""
    scale_per_channel: bool = False
    """A number for each of R, G and B instead of one for all."""
    scale_init: float = 0.5
    """What s begins with."""
    final_tanh: bool = False
    """Tanh after the last convolution too."""

    def __post_init__(self) -> None:
        for name in ("widths", "tail_widths"):
            object.__setattr__(self, name, checked_widths(name, getattr(self, name)))
        check_choice("blend", self.blend, ("additive", "convex"))
        check_choice("scale_param", self.scale_param, tuple(BOUNDED))
        check_flag(scale_per_channel=self.scale_per_channel, final_tanh=self.final_tanh)
        if self.widths[-1] % 4:
            raise ValueError(f"generator.widths must end in a multiple of 4, not in {self.widths[-1]}")
        if not LOWEST < self.scale_init < HIGHEST:
            raise ValueError(f"generator.scale_init must lie between {LOWEST} and {HIGHEST}")


class PaperNet(Generator):
    """(N, 3, H, W) float32 RGB [0, 1], H and W even -> (N, 3, 2H, 2W) float32, not clamped."""

    multiple = 2

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        self.colours = Standardisation(IMAGENET_MEAN, IMAGENET_STD)
        self.head = nn.Conv2d(3, config.widths[0], 2, stride=2)
        self.body = nn.ModuleList(_conv(*pair) for pair in pairwise(config.widths))
        tail = (config.widths[-1] // 4, *config.tail_widths)
        self.tail = nn.ModuleList(_conv(*pair) for pair in pairwise(tail))
        self.last = OutputConv(tail[-1], 12, 3, padding=1)
        shape = (1, 3 if config.scale_per_channel else 1, 1, 1)
        self.strength: nn.Module = BOUNDED[config.scale_param](config.scale_init, shape)

    @property
    def halo(self) -> int:
        """Low-resolution pixels; 10 for the default widths."""
        main = (UNSHUFFLE, Conv(3, count=len(self.body)), Shuffle(), Conv(3, count=len(self.tail) + 1))
        return halo_of((*main, Shuffle()), (Interpolate(2),))

    def forward(self, image: Tensor) -> Tensor:
        """Return the doubled image."""
        normal = self.colours(image)
        main, residual = self.main(normal), bilinear(normal)
        strength = self.strength()
        if self.config.blend == "convex":
            main = (1 - strength) * main
        output: Tensor = self.colours.restore(main + strength * residual)
        return output

    def main(self, normal: Tensor) -> Tensor:
        """What is added to the enlarged input: (N, 3, H, W) -> (N, 3, 2H, 2W), normalised colours."""
        x = torch.tanh(self.head(normal))  # (N, 64, H/2, W/2)
        for conv in self.body:
            x = torch.tanh(conv(x))
        x = F.pixel_shuffle(x, 2)  # (N, 64, H, W)
        for conv in self.tail:
            x = torch.tanh(conv(x))
        x = F.pixel_shuffle(self.last(x), 2)
        return torch.tanh(x) if self.config.final_tanh else x

    @torch.no_grad()
    def fold(self) -> PaperNet:
        """An equal network in which the bounded number is a constant."""
        network = copy.deepcopy(self)
        network.strength = Constant(self.strength())
        return network


class Clamped(nn.Module):
    """A number clamped to its bounds, with a gradient that can always bring it back."""

    def __init__(self, start: float, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full(shape, start))

    def forward(self) -> Tensor:
        """The number, in 0.2..0.8."""
        bounded: Tensor = _StraightThrough.apply(self.raw)  # type: ignore[no-untyped-call]
        return bounded


class Squashed(nn.Module):
    """A number that a sigmoid keeps between its bounds."""

    def __init__(self, start: float, shape: tuple[int, ...]) -> None:
        super().__init__()
        share = torch.full(shape, (start - LOWEST) / (HIGHEST - LOWEST))
        self.raw = nn.Parameter(torch.logit(share))

    def forward(self) -> Tensor:
        """The number, between 0.2 and 0.8."""
        return LOWEST + (HIGHEST - LOWEST) * torch.sigmoid(self.raw)


class Constant(nn.Module):
    """The number as it is after training."""

    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value.detach().clone())

    def forward(self) -> Tensor:
        """The number."""
        return self.value


BOUNDED: dict[str, Callable[[float, tuple[int, ...]], nn.Module]] = {"clamp": Clamped, "sigmoid": Squashed}
"""Word of `PaperConfig.scale_param` -> module, from a first value and a shape."""


class _StraightThrough(torch.autograd.Function):
    """Clamping whose gradient passes, except where descent would lead farther out.

    A plain clamp has no gradient outside the bounds, so that a number which an optimiser's step has taken
    there could never return.
    """

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, raw: Tensor) -> Tensor:
        context.save_for_backward(raw)
        return raw.clamp(LOWEST, HIGHEST)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> Tensor:
        (raw,) = context.saved_tensors  # type: ignore[attr-defined]
        (gradient,) = gradients
        outwards = ((raw < LOWEST) & (gradient > 0)) | ((raw > HIGHEST) & (gradient < 0))
        return torch.where(outwards, torch.zeros_like(gradient), gradient)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
