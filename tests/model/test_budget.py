"""How much is processed at once."""

from __future__ import annotations

import pytest

from facesr_cli.model.budget import budget_for
from facesr_cli.model.tiling import TileRule, cut

RULE = TileRule(halo=10, multiple=4)


def test_small_pictures_are_whole_and_large_ones_tiled():
    budget = budget_for("cpu", RULE, batch_size=None, tile_px=None)
    assert budget.tile_for(512, 512) == 512
    assert budget.tile_for(2000, 500) == 2000
    assert budget.tile_for(1089, 1088) == 1088
    assert budget.batch_for(64, 64) == 1


def test_batches_on_a_gpu_are_bounded_by_pixels():
    budget = budget_for("cuda", RULE, batch_size=None, tile_px=None)
    assert budget.batch_for(512, 512) == 8
    assert budget.batch_for(1024, 1024) == 4
    assert budget.batch_for(4000, 4000) == 1


def test_what_is_named_is_taken():
    budget = budget_for("cuda", RULE, batch_size=32, tile_px=100)
    assert budget.batch_for(512, 512) == 32
    assert budget.tile_for(101, 5) == 100


@pytest.mark.parametrize("key", ["cpu", "cuda"])
def test_shortage_ends(key):
    budget, rule = budget_for(key, RULE, batch_size=None, tile_px=None), RULE
    tiles = []
    batch = budget.batch_for(900, 900)
    while (smaller := budget.after_shortage(900, 900, batch, rule)) is not None:
        budget, batch = smaller, smaller.batch_for(900, 900)
        tiles.append((batch, budget.tile_for(900, 900)))
    assert tiles[-1] == (1, rule.smallest_tile) == (1, 24)
    assert tiles == sorted(tiles, reverse=True)


def test_after_a_shortage_nothing_larger_is_tried_than_before():
    budget = budget_for("cuda", RULE, batch_size=None, tile_px=None)
    smaller = budget.after_shortage(512, 512, 8, RULE)
    assert smaller is not None and smaller.batch_for(512, 512) == 4
    assert smaller.batch_for(2048, 2048) == 1, "as before: four of these are eight times what did not fit"


def test_networks_that_look_far_get_larger_tiles():
    budget = budget_for("cpu", TileRule(halo=300), batch_size=None, tile_px=None)
    assert budget.tile_for(4000, 4000) > 1000


@pytest.mark.parametrize("key", ["cpu", "cuda"])
@pytest.mark.parametrize("side", [1500, 2048, 3000, 4096, 8192])
def test_context_of_tiles_costs_little(key, side):
    rule = TileRule(halo=28, multiple=2)
    tile = budget_for(key, rule, batch_size=None, tile_px=None).tile_for(side, side)
    read = sum(each.read.size for each in cut(side, tile, rule))
    assert (read / side) ** 2 < 1.12
