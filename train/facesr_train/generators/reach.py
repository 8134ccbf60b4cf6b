"""How far a chain of local layers looks around: the arithmetic behind a generator's `halo`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution, or several of them in a row, padded by `(kernel - 1) // 2`."""

    kernel: int
    stride: int = 1
    count: int = 1

    def inputs(self, first: int, last: int) -> tuple[int, int]:
        """The input pixels that the outputs `first` to `last` (inclusive) depend on, along one side."""
        before = (self.kernel - 1) // 2
        for _ in range(self.count):
            first = first * self.stride - before
            last = last * self.stride - before + self.kernel - 1
        return first, last


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Pixel-shuffle, or repetition of the nearest pixel."""

    factor: int = 2

    def inputs(self, first: int, last: int) -> tuple[int, int]:
        """As `Conv.inputs`."""
        return first // self.factor, last // self.factor


@dataclass(frozen=True, slots=True)
class Interpolate:
    """Enlargement x2 with pixel centres at halves; bilinear takes 2 pixels, bicubic 4."""

    taps: int

    def inputs(self, first: int, last: int) -> tuple[int, int]:
        """As `Conv.inputs`; output i lies at i / 2 - 1 / 4."""
        more = self.taps // 2 - 1
        return (first - 1) // 2 - more, (last - 1) // 2 + 1 + more


Layer: TypeAlias = Conv | Shuffle | Interpolate

UNSHUFFLE = Conv(2, stride=2)
"""Pixel-unshuffle by 2: a pixel of its output holds a window of 2x2."""


def halo_of(*paths: Sequence[Layer], scale: int = 2) -> int:
    """The context of a generator: the most that any output needs on either side of its input pixel.

    Args:
        paths: Layers from the picture to the output, one sequence for each parallel way; the farthest counts.
            An empty one stands for a way that is not there.
        scale: Output pixels per input pixel and side.
    """
    return max(max(_needed(path, place, scale)) for path in paths if path for place in range(16))


def _needed(path: Sequence[Layer], place: int, scale: int) -> tuple[int, int]:
    """Context before and after input pixel `place`; where layers have strides it depends on the place."""
    first, last = place * scale, place * scale + scale - 1
    for layer in reversed(path):
        first, last = layer.inputs(first, last)
    return place - first, last - place
