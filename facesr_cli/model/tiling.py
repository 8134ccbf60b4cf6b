"""Geometry of padding and tiling: where to cut, what to keep of each tile, how to join; knows no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNKNOWN_HALO_PX = 32
"""Context given to tiles of a network that does not state its halo. The outer half of it is only context, the
inner half is where neighbouring tiles are faded into one another."""

Upscale = Callable[[Sequence[NDArray[Any]]], Sequence[NDArray[Any]]]
"""Enlarges (h,w,C) arrays of equal shape, order kept."""


@dataclass(frozen=True, slots=True)
class Span:
    """Pixels `start` to `stop` (exclusive) along one side of a picture."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Length in pixels."""
        return self.stop - self.start

    def scaled(self, scale: int) -> Span:
        """The same span in a picture that is `scale` times as large."""
        return Span(self.start * scale, self.stop * scale)

    def seen_from(self, origin: int) -> slice:
        """This span as a slice of an array whose first pixel is `origin`."""
        return slice(self.start - origin, self.stop - origin)


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a picture."""

    rows: Span
    columns: Span

    def read_from(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """View of this rectangle of an (H,W,...) array."""
        return pixels[self.rows.seen_from(0), self.columns.seen_from(0)]


@dataclass(frozen=True, slots=True)
class Padding:
    """Pixels added below and to the right of a picture, so that its top left corner keeps its place."""

    bottom: int
    right: int

    @classmethod
    def to_multiple(cls, height: int, width: int, multiple: int) -> Padding:
        """The least padding that makes both sides multiples of `multiple`."""
        return cls(-height % multiple, -width % multiple)

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Repeat the edge pixels of an (H,W,C) array, which works from 1x1 up; nothing to add: no copy."""
        if not self.bottom and not self.right:
            return pixels
        return np.pad(pixels, ((0, self.bottom), (0, self.right), (0, 0)), mode="edge")


@dataclass(frozen=True, slots=True)
class Cut:
    """One tile along one side: what it reads, what is kept of it, and how much of that is faded in."""

    read: Span
    keep: Span
    fade: int
    """The first `fade` pixels of `keep` are mixed with the previous tile, 0 for a plain edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRule:
    """How a network may be tiled."""

    halo: int
    """Pixels of context on each side that belongs to no output."""
    multiple: int = 1
    """Tiles start and end on multiples of this many pixels."""
    fade: int = 0
    """Pixels that neighbouring tiles are mixed over, on top of `halo`: 0 where the halo is exact."""

    @classmethod
    def for_network(cls, halo: int | None, multiple: int) -> TileRule:
        """Exact where the network states its halo; else `UNKNOWN_HALO_PX` of context, half of it faded."""
        if halo is not None:
            return cls(halo=halo, multiple=multiple)
        return cls(halo=UNKNOWN_HALO_PX // 2, multiple=multiple, fade=UNKNOWN_HALO_PX)

    @property
    def overlap(self) -> int:
        """Least overlap of neighbouring tiles, in pixels."""
        return _up(2 * self.halo + self.fade, self.multiple)

    @property
    def smallest_tile(self) -> int:
        """Smallest side of a tile that advances by as much as it fades, and by at least `multiple`."""
        return self.overlap + _up(max(self.fade, 1), self.multiple)


def cut(length: int, tile: int, rule: TileRule, *, exact: bool = False) -> tuple[Cut, ...]:
    """Cut one side of a picture into overlapping tiles of equal size.

    Every tile has `rule.halo` pixels of real context on each side of what is kept, except at the borders of
    the picture, which are borders of its tiles too. The number of tiles is settled first, then their size, so
    that 1200 pixels at 1024 become two of about 600 and not 1024 and a rest.

    Args:
        length: Side of the picture in pixels, a multiple of `rule.multiple`.
        tile: Largest side of a tile in pixels.
        rule: What the network needs.
        exact: Make tiles of `tile` pixels, no smaller (for networks of a fixed input size).
    """
    if length <= tile:
        return (Cut(Span(0, length), Span(0, length), 0),)
    tile -= tile % rule.multiple
    if tile < rule.smallest_tile:
        raise ValueError(f"tiles of {tile} px are too small, {rule.smallest_tile} px are needed")
    count = 1 + -(-(length - tile) // (tile - rule.overlap))
    if not exact:
        tile = _up(-(-(length + (count - 1) * rule.overlap) // count), rule.multiple)
    starts = [_down(index * (length - tile) // (count - 1), rule.multiple) for index in range(count)]
    # Edges lie in the middle of each overlap, so both neighbours have their halo there.
    edges = [(start + tile + following) // 2 for start, following in zip(starts, starts[1:], strict=False)]
    before, after = rule.fade // 2, rule.fade - rule.fade // 2
    begins = [0, *(edge - before for edge in edges)]
    ends = [*(edge + after for edge in edges), length]
    return tuple(
        Cut(Span(start, start + tile), Span(begin, end), rule.fade if index else 0)
        for index, (start, begin, end) in enumerate(zip(starts, begins, ends, strict=True))
    )


def upscale_tiled(
    pixels: NDArray[Any],
    rows: Sequence[Cut],
    columns: Sequence[Cut],
    *,
    scale: int,
    upscale: Upscale,
    batch_size: int = 1,
) -> NDArray[Any]:
    """Enlarge `pixels` tile by tile.

    Args:
        pixels: (H,W,C) integers.
        rows: `cut(H, ...)`.
        columns: `cut(W, ...)`.
        scale: Output pixels per input pixel.
        upscale: Enlarges up to `batch_size` (h,w,C) tiles of equal shape.
        batch_size: Tiles handed over together; they come from one row of tiles.

    Returns:
        (scale * H, scale * W, C), same type.
    """
    height, width, channels = pixels.shape
    result = np.empty((height * scale, width * scale, channels), pixels.dtype)
    for row in rows:
        # One row of tiles is joined from left to right, then joined to the rows above: with one function for
        # both directions, the mix is separable and has no seams at the corners.
        strip = np.empty((row.read.size * scale, width * scale, channels), pixels.dtype)
        for first in range(0, len(columns), batch_size):
            group = columns[first : first + batch_size]
            tiles = [Region(row.read, column.read).read_from(pixels) for column in group]
            for column, tile in zip(group, upscale(tiles), strict=True):
                _join(strip.swapaxes(0, 1), tile.swapaxes(0, 1), column, scale)
        _join(result, strip, row, scale)
    return result


def _join(target: NDArray[Any], piece: NDArray[Any], place: Cut, scale: int) -> None:
    """Write what `place` keeps of `piece` into `target`, along the first axis of both."""
    origin = place.read.start * scale
    keep = place.keep.scaled(scale)
    fade = Span(keep.start, keep.start + place.fade * scale)
    if fade.size:
        weight = (np.arange(fade.size, dtype=np.float32) + 0.5) / fade.size
        weight = weight.reshape(-1, *(1,) * (target.ndim - 1))
        old = target[fade.seen_from(0)].astype(np.float32)
        new = piece[fade.seen_from(origin)].astype(np.float32)
        target[fade.seen_from(0)] = np.rint(old + (new - old) * weight).astype(target.dtype)
    rest = Span(fade.stop, keep.stop)
    target[rest.seen_from(0)] = piece[rest.seen_from(origin)]


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _down(number: int, multiple: int) -> int:
    return number - number % multiple
