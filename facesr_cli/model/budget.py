"""How much is processed at once on each kind of device, and how much less after it ran out of memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

from facesr_cli.model.tiling import TileRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run of the network, in input pixels."""

    whole_px: int
    """Pictures of up to this many pixels (height times width) are not tiled; 0: `tile_px` alone decides."""
    tile_px: int
    """Largest side of a tile."""
    batch_size: int
    """Most pictures or tiles of equal size that run together."""
    batch_px: int | None
    """Most pixels that run together (one picture always may); None: `batch_size` alone decides."""

    def tile_for(self, height: int, width: int) -> int:
        """Largest side to be processed at once for a picture of this size."""
        return max(height, width) if height * width <= self.whole_px else self.tile_px

    def batch_for(self, height: int, width: int) -> int:
        """How many pictures of this size may run together."""
        if self.batch_px is None:
            return self.batch_size
        return max(1, min(self.batch_size, self.batch_px // (height * width)))

    def within(self, most_px: int, rule: TileRule) -> Budget:
        """No more than `most_px` pixels at once, as far as tiles may shrink; never larger than now."""
        tile = self.tile_px
        while tile * tile > most_px and tile > rule.smallest_tile:
            tile = max(tile // 2, rule.smallest_tile)
        return replace(
            self,
            whole_px=min(self.whole_px, most_px),
            tile_px=tile,
            batch_px=most_px if self.batch_px is None else min(self.batch_px, most_px),
        )

    def after_shortage(self, height: int, width: int, batch: int, rule: TileRule) -> Budget | None:
        """Half of what did not fit into memory: half the batch, then half the tile; None where that ends.

        Args:
            height: Height of the pictures that did not fit.
            width: Their width.
            batch: How many there were.
            rule: How the network may be tiled.
        """
        if batch > 1:
            return replace(self, batch_size=batch // 2)
        tile = min(self.tile_for(height, width), max(height, width))
        smaller = max(tile // 2, rule.smallest_tile)
        if smaller >= tile:
            return None
        return replace(self, whole_px=0, tile_px=smaller, batch_size=1)


_CPU = Budget(whole_px=1088 * 1088, tile_px=1088, batch_size=1, batch_px=None)
"""Batches bring a CPU nothing. Tiles are as large as what is not tiled, so that context costs a tenth of the
time (at 512 px a third), and 64 px above 1024, so that 2048 px are two. Networks for which that is more than
`CPU_BYTES` get smaller ones."""

CPU_BYTES = 2.5 * 2**30
"""What the tensors of one run may take on a CPU by `footprint.bytes_per_pixel`; face-x2 takes 0.4 GiB, and a
network of 64 channels at four times the size fits with tiles of 544 px."""

MODEST_PX = 544 * 544
"""On a CPU, for networks of which that is not known."""

_GPU = Budget(whole_px=2112 * 2112, tile_px=2112, batch_size=8, batch_px=2112 * 2112)


MEMORY_SHARE = 0.6
"""Part of the free memory that estimates may fill; workspaces of convolutions and gaps take from the rest."""


def budget_for(
    provider_key: str,
    rule: TileRule,
    *,
    batch_size: int | None,
    tile_px: int | None,
    most_px: int | None = None,
) -> Budget:
    """The budget of a provider; what the caller names (not None) is taken as it is.

    Args:
        provider_key: Where the network runs.
        rule: How it may be tiled.
        batch_size: Pictures at once.
        tile_px: Largest side of a tile.
        most_px: Pixels that there is room for at once; None: not known.
    """
    budget = _CPU if provider_key in ("cpu", "openvino") else _GPU
    # A network that looks far around needs larger tiles, or most of each tile would be context.
    budget = replace(budget, tile_px=max(budget.tile_px, 2 * rule.smallest_tile))
    if most_px is not None:
        budget = budget.within(most_px if batch_size is None else most_px // batch_size, rule)
    if batch_size is not None:
        budget = replace(budget, batch_size=batch_size, batch_px=None)
    if tile_px is not None:
        budget = replace(budget, whole_px=0, tile_px=tile_px)
    return budget
