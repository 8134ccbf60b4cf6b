"""The discriminator of the paper that this project starts from: six small strided convolutions.

"Image super resolution of Human face images using GAN". Its text gives the channels 3, 12, 48, 72, 48, 12, 3,
the first block (kernel 3, stride 2, padding 1), a leaky rectifier and dropout after each convolution, batch
normalisation after some "(conditional)", and a linear layer with sigmoid over the flattened map. The block is
that of the DCGAN in https://github.com/eriklindernoren/PyTorch-GAN, from which we take what the text leaves
open: stride 2 throughout, slope 0.2, dropout of whole channels by 0.25, and the order convolution, rectifier,
dropout, normalisation. "Conditional" there means: where a flag says so.

We differ in two things. The map is averaged to 16x16 before the linear layer, which changes nothing at
1024x1024 and lets crops in. The sigmoid is part of the game (`bce`), so `forward` gives the logit.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.colours import IMAGENET_MEAN, IMAGENET_STD

CHANNELS = (3, 12, 48, 72, 48, 12, 3)
MAP_PX = 16
"""Side of the map that the linear layer sees: that of a picture of 1024x1024."""
EMBEDDING = 64
"""Features that a conditional normalisation is predicted from."""
NORMS = ("flag", "conditional", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperDiscriminatorConfig:
    """Readings of the text."""

    norm: str = "flag"
    """`flag`: batch normalisation after blocks 2 to 5. `conditional`: there, with scale and shift predicted
    from the picture at half size. `none`: nowhere."""
    last_norm: bool = False
    """Whether block 6 has one too, as some forms of the DCGAN block have."""
    norm_epsilon: float = 1e-5
    """Added to the variance; the DCGAN block passes 0.8 by its place among the arguments."""
    slope: float = 0.2
    dropout: float = 0.25

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ValueError(f"discriminator: norm is {self.norm!r}; there are {', '.join(NORMS)}")
        if not isinstance(self.last_norm, bool):
            raise ValueError("discriminator: last_norm must be true or false")
        if self.norm_epsilon <= 0 or not 0 <= self.slope < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                "discriminator: norm_epsilon must be positive, and slope and dropout lie in 0..1, 1 left out"
            )


class PaperDiscriminator(nn.Module):
    """(N, 3, H, W) float32 RGB [0, 1] -> logits (N, 1); 74,548 parameters with the default options."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: PaperDiscriminatorConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        conditional = config.norm == "conditional"
        self.embedding = _Embedding(config.slope) if conditional else None
        last = len(CHANNELS) - 2
        self.blocks = nn.ModuleList()
        for index, (narrow, wide) in enumerate(pairwise(CHANNELS)):
            has_norm = config.norm != "none" and (0 < index < last or (index == last and config.last_norm))
            self.blocks.append(_Block(narrow, wide, config, has_norm=has_norm))
        self.linear = nn.Linear(CHANNELS[-1] * MAP_PX * MAP_PX, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits."""
        x = (image - self.mean) / self.std
        condition = None if self.embedding is None else self.embedding(F.avg_pool2d(x, 2))
        for block in self.blocks:
            x = block(x, condition)
        logits: Tensor = self.linear(F.adaptive_avg_pool2d(x, MAP_PX).flatten(1))
        return logits


class _Block(nn.Module):
    """Convolution of stride 2, leaky rectifier, dropout of channels, and batch normalisation where wanted."""

    def __init__(self, narrow: int, wide: int, config: PaperDiscriminatorConfig, *, has_norm: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(narrow, wide, 3, stride=2, padding=1)
        self.activation = nn.LeakyReLU(config.slope)
        self.dropout = nn.Dropout2d(config.dropout)
        conditional = config.norm == "conditional"
        self.norm = (
            nn.BatchNorm2d(wide, eps=config.norm_epsilon, affine=not conditional) if has_norm else None
        )
        self.modulation = nn.Linear(EMBEDDING, 2 * wide) if has_norm and conditional else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        # On a CPU torch 2.13 never writes the bfloat16 gradient of weights that see only padding.
        one_pixel = x.shape[-2:] == (1, 1)
        with torch.autocast(x.device.type, enabled=False) if one_pixel else contextlib.nullcontext():
            x = self.convolution(x.float() if one_pixel else x)
        passed: Tensor = self.dropout(self.activation(x))
        if self.norm is not None:
            passed = self.norm(passed)
        if self.modulation is not None:
            gain, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
            passed = (1 + gain) * passed + shift
        return passed


class _Embedding(nn.Module):
    """(N, 3, h, w) -> (N, 64): what a conditional normalisation knows.

    Our own addition: the paper does not say what it would be conditional on. The low-resolution photograph is
    not among what a discriminator is given, so its place is taken by the judged picture at half size, which
    is nearly the same for the original and for its reconstruction.
    """

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, EMBEDDING // 2, 3, stride=2, padding=1),
            nn.LeakyReLU(slope),
            nn.Conv2d(EMBEDDING // 2, EMBEDDING, 3, stride=2, padding=1),
            nn.LeakyReLU(slope),
        )

    def forward(self, half: Tensor) -> Tensor:
        features: Tensor = self.layers(half)
        return features.mean((2, 3))
