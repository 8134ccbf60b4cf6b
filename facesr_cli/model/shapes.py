"""Keeps the number of shapes small that a device meets in one run, by reusing those it knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from facesr_cli.model.tiling import Cut, TileRule, cut

PREFER_FEW = ("cuda", "tensorrt", "coreml", "directml")
"""Providers that choose kernels, record graphs or build engines anew for each shape."""

MOST_KNOWN = 4
"""Shapes of tiles that are taken as they come; later pictures are cut into these, where that costs little."""

_WORTHWHILE = 1.1
"""A known shape is taken at once where it costs at most this many times the pixels."""

_BEARABLE = 4.0
"""Once `MOST_KNOWN` shapes are known, one of them is still taken where it costs at most this many times the
pixels, as two by two tiles of little more than half a picture do. Tiles that are small beside their overlap
cost ten times as many. In a folder of any sizes (32 to 4000 px, halo 28) some 30 shapes come together."""

Cuts = tuple[Sequence[Cut], Sequence[Cut]]
"""Of rows and of columns."""


class ShapeBook:
    """The shapes of tiles that a run has used so far, in input pixels.

    Only for networks that state their halo: their picture is the same, however it is cut.
    """

    def __init__(self, rule: TileRule) -> None:
        self._rule = rule
        self._known: list[tuple[int, int]] = []

    @property
    def known(self) -> tuple[tuple[int, int], ...]:
        """(height, width), in the order in which they came."""
        return tuple(self._known)

    def settle(self, height: int, width: int, natural: Cuts) -> Cuts:
        """Return `natural`, or cuts into a shape that is known already.

        A picture that no known shape fits into is cut as it wants, and so are the first `MOST_KNOWN` shapes
        that nothing known covers at about the same cost, and later ones that nothing known covers at
        `_BEARABLE` times the cost.

        Args:
            height: Of the padded picture.
            width: Of the padded picture.
            natural: How the budget would cut it.
        """
        shape = _shape(natural)
        if shape in self._known:
            return natural
        choices = [
            (
                cut(height, tile[0], self._rule, exact=True),
                cut(width, tile[1], self._rule, exact=True),
            )
            for tile in self._known
            if tile[0] * tile[1] <= shape[0] * shape[1] and self._fits(tile, height, width)
        ]
        best = min(choices, key=_cost, default=None)
        most = _WORTHWHILE if len(self._known) < MOST_KNOWN else _BEARABLE
        if best is not None and _cost(best) <= most * _cost(natural):
            return best
        self._known.append(shape)
        return natural

    def forget(self, tile_for: Callable[[int, int], int]) -> None:
        """Drop the shapes with a side above what `Budget.tile_for` allows them now."""
        self._known = [shape for shape in self._known if max(shape) <= tile_for(*shape)]

    def _fits(self, tile: tuple[int, int], height: int, width: int) -> bool:
        """Whether tiles of exactly this shape can cover the picture without reaching over its edges."""
        return all(
            size == side or (self._rule.smallest_tile <= size < side)
            for size, side in zip(tile, (height, width), strict=True)
        )


def _shape(cuts: Cuts) -> tuple[int, int]:
    rows, columns = cuts
    return rows[0].read.size, columns[0].read.size


def _cost(cuts: Cuts) -> int:
    """Pixels that the network reads."""
    return math.prod(_shape(cuts)) * len(cuts[0]) * len(cuts[1])
