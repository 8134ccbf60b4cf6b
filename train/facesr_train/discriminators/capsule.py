"""The capsule discriminator of MSG-CapsGAN, which judges three sizes of a picture together.

Majdabadi and Ko 2020, "MSG-CapsGAN: Multi-Scale Gradient Capsule GAN for Face Super Resolution", ICEIC, after
the author's code (https://github.com/MahdiyarMM/MSG-CapsGAN); the text was not available to us. Convolutions
take in the largest picture and, where the map has come down to its size, each smaller one, without
activations in between; primary capsules follow, and what is made of them is `capsules`:

- `authors`: what the code does, which is no routing by agreement but three rounds of a dense layer over a
  softmax that gates the predictions; 25x25 verdicts.
- `routing` (default): routing by agreement of Sabour et al. 2017 (https://arxiv.org/abs/1710.09829) to ten
  capsules of 16; then 25x25 verdicts. No batch normalisation after the squash, which would undo it.
- `two_class`: routing to two capsules, original and reconstruction, whose lengths are the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.discriminators.capsules import Routing, squash

VARIANTS = ("authors", "routing", "two_class")
KERNEL_PX = 9
SLOPE = 0.3
"""Of the leaky rectifiers for negative values: Keras' default."""
PRIMARY, DIGIT = 8, 16
"""Components of a primary capsule and of a capsule after routing."""
DIGIT_CAPSULES = 10
VERDICTS_PX = 25
"""The verdicts of `authors` and `routing` are 25x25 patches."""
ROUNDS = 3
SMALLEST_PX = 4 * (2 * KERNEL_PX - 1)
"""Largest picture's side below which no primary capsule is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapsuleConfig:
    """Variant and size."""

    capsules: str = "routing"
    """`authors`, `routing` or `two_class`; the last needs the game `margin`, which needs it."""
    channels: int = 128
    """Of the first convolutions; those after the third picture have twice as many, a multiple of 8."""
    crop_px: int = 128
    """Side of the largest picture, which the weights between capsules are made for; a multiple of 4."""

    def __post_init__(self) -> None:
        if self.capsules not in VARIANTS:
            raise ValueError(f"discriminator: capsules is {self.capsules!r}; there are {', '.join(VARIANTS)}")
        if self.channels < 4 or self.channels % 4 or self.crop_px < SMALLEST_PX or self.crop_px % 4:
            raise ValueError(
                "discriminator: channels must be a positive multiple of 4, "
                f"and crop_px a multiple of 4 of at least {SMALLEST_PX}"
            )

    @property
    def pictures(self) -> int:
        """How many it judges together."""
        return 3

    @property
    def verdicts(self) -> str:
        """What the games must read: `logits` or `lengths`."""
        return "lengths" if self.capsules == "two_class" else "logits"

    @property
    def primary_capsules(self) -> int:
        """Capsules before routing: 2048 with the default size."""
        first_px = self.crop_px // 4 - KERNEL_PX + 1
        side_px = (first_px - KERNEL_PX) // 2 + 1
        return side_px * side_px * 2 * self.channels // PRIMARY


class CapsuleDiscriminator(nn.Module):
    """Three float32 RGB [0, 1] of sides S, S / 2 and S / 4, S = `crop_px`, largest first -> verdicts.

    (N, 1, 25, 25) logits with `authors` and `routing`; with `two_class` (N, 2) lengths in [0, 1) of the
    capsules "original" and "reconstruction", which only the game `margin` can read. 16,087,953 parameters
    with `routing` and the default size.
    """

    def __init__(self, config: CapsuleConfig) -> None:
        super().__init__()
        self._config = config
        width, same = config.channels, KERNEL_PX // 2
        self.large = nn.Conv2d(3, width, KERNEL_PX, stride=2, padding=same)
        self.middle = nn.Conv2d(3, width, KERNEL_PX, padding=same)
        self.join = nn.Conv2d(2 * width, width, KERNEL_PX, stride=2, padding=same)
        self.small = nn.Conv2d(3, width, KERNEL_PX, padding=same)
        self.features = nn.Sequential(
            nn.Conv2d(2 * width, 2 * width, KERNEL_PX), nn.LeakyReLU(SLOPE), nn.BatchNorm2d(2 * width)
        )
        self.primary = nn.Conv2d(2 * width, 2 * width, KERNEL_PX, stride=2)
        self.verdict = _VERDICTS[config.capsules](config.primary_capsules)

    def forward(self, large: Tensor, middle: Tensor, small: Tensor) -> Tensor:
        """Return the verdicts.

        Raises:
            ValueError: A picture does not have the size that it is judged at.
        """
        for picture, part in ((large, 1), (middle, 2), (small, 4)):
            side_px = self._config.crop_px // part
            if picture.shape[-2:] != (side_px, side_px):
                raise ValueError(
                    f"a capsule discriminator for {self._config.crop_px} px takes sides of 1, 1/2 and 1/4 of "
                    f"it, largest first, not {tuple(picture.shape[-2:])}: set discriminator.crop_px to "
                    "data.hr_crop_px, and the order in adversarial.judges"
                )
        # The first two convolutions halve like Keras' "same", except that the border has the odd pixel left.
        x = torch.cat([self.large(2 * large - 1), self.middle(2 * middle - 1)], 1)
        x = torch.cat([self.join(x), self.small(2 * small - 1)], 1)
        x = self.primary(self.features(x))
        # (N, 8 c, h, w) -> (N, h w c, 8): neighbouring channels of one place form a capsule, as in the code.
        capsules = squash(x.permute(0, 2, 3, 1).reshape(len(x), -1, PRIMARY))
        verdicts: Tensor = self.verdict(capsules)
        return verdicts


class _RoutedVerdicts(nn.Module):
    """(N, primary, 8) -> (N, 1, 25, 25)."""

    def __init__(self, primary_capsules: int) -> None:
        super().__init__()
        self.routing = Routing(primary_capsules, PRIMARY, DIGIT_CAPSULES, DIGIT, rounds=ROUNDS)
        self.dense = nn.Linear(DIGIT_CAPSULES * DIGIT, VERDICTS_PX**2)

    def forward(self, capsules: Tensor) -> Tensor:
        verdicts: Tensor = self.dense(self.routing(capsules).flatten(1))
        return verdicts.reshape(-1, 1, VERDICTS_PX, VERDICTS_PX)


class _AuthorsVerdicts(nn.Module):
    """(N, primary, 8) -> (N, 1, 25, 25), with the gates of the author's code in place of routing."""

    def __init__(self, primary_capsules: int) -> None:
        super().__init__()
        width = DIGIT_CAPSULES * DIGIT
        self.norm = nn.BatchNorm1d(PRIMARY)
        self.predictions = nn.Linear(primary_capsules * PRIMARY, width)
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(ROUNDS))
        self.dense = nn.Linear(width, VERDICTS_PX**2)

    def forward(self, capsules: Tensor) -> Tensor:
        normed = self.norm(capsules.transpose(1, 2)).transpose(1, 2)
        predictions = self.predictions(normed.flatten(1))
        state = predictions
        for gate in self.gates:
            state = F.leaky_relu(predictions * gate(state.softmax(1)), SLOPE)
        verdicts: Tensor = self.dense(state)
        return verdicts.reshape(-1, 1, VERDICTS_PX, VERDICTS_PX)


class _TwoLengths(nn.Module):
    """(N, primary, 8) -> (N, 2): lengths of the capsules "original" and "reconstruction"."""

    def __init__(self, primary_capsules: int) -> None:
        super().__init__()
        self.routing = Routing(primary_capsules, PRIMARY, 2, DIGIT, rounds=ROUNDS)

    def forward(self, capsules: Tensor) -> Tensor:
        lengths: Tensor = self.routing(capsules).norm(dim=2)
        return lengths


_VERDICTS: dict[str, type[nn.Module]] = {
    "authors": _AuthorsVerdicts,
    "routing": _RoutedVerdicts,
    "two_class": _TwoLengths,
}
