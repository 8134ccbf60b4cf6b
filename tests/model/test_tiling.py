"""Tiling geometry: every pixel once, with its context, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesr_cli.model.tiling import Padding, Region, Span, TileRule, cut, upscale_tiled


@st.composite
def cuts(draw):
    """A rule, a length that is a multiple, and a tile size that is allowed."""
    multiple = draw(st.sampled_from([1, 2, 3, 4, 8]))
    rule = TileRule(halo=draw(st.integers(0, 12)), multiple=multiple, fade=draw(st.integers(0, 9)))
    length = draw(st.integers(1, 240 // multiple)) * multiple
    tile = draw(st.integers(rule.smallest_tile, rule.smallest_tile + 60))
    return rule, length, tile


@given(cuts())
def test_tiles_cover_the_side_once_with_context(case):
    rule, length, tile = case
    tiles = cut(length, tile, rule)
    assert tiles[0].keep.start == 0
    assert tiles[-1].keep.stop == length
    for one in tiles:
        assert 0 <= one.read.start < one.read.stop <= length
        assert one.read.size <= max(tile, 1)
        assert one.read.start % rule.multiple == 0
        assert one.read.size % rule.multiple == 0
        assert one.read.start == 0 or one.keep.start - one.read.start >= rule.halo
        assert one.read.stop == length or one.read.stop - one.keep.stop >= rule.halo
    for left, right in zip(tiles, tiles[1:], strict=False):
        assert left.keep.stop - right.keep.start == right.fade == rule.fade
    assert len({one.read.size for one in tiles}) == 1, "equal shapes run as one batch"


@given(cuts(), cuts(), st.integers(1, 3), st.integers(1, 4))
def test_tiling_a_local_operation_changes_nothing(case_y, case_x, scale, batch_size):
    (rule_y, height, tile_y), (rule_x, width, tile_x) = case_y, case_x
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)

    def nearest(tiles):
        assert 1 <= len(tiles) <= batch_size
        assert len({tile.shape for tile in tiles}) == 1
        return [tile.repeat(scale, axis=0).repeat(scale, axis=1) for tile in tiles]

    result = upscale_tiled(
        pixels,
        cut(height, tile_y, rule_y),
        cut(width, tile_x, rule_x),
        scale=scale,
        upscale=nearest,
        batch_size=batch_size,
    )
    np.testing.assert_array_equal(result, nearest([pixels])[0])


def test_tiles_are_evened_out():
    tiles = cut(1200, 1024, TileRule(halo=10))
    assert [one.read.size for one in tiles] == [610, 610]


def test_tiles_of_fixed_size_stay_that_size():
    tiles = cut(1200, 1024, TileRule(halo=10), exact=True)
    assert [one.read for one in tiles] == [Span(0, 1024), Span(176, 1200)]


def test_too_small_tiles_are_refused():
    with pytest.raises(ValueError, match="21 px are needed"):
        cut(100, 20, TileRule(halo=10))


def test_faded_edges_hide_a_difference_between_tiles():
    rule = TileRule.for_network(None, 1)
    columns = cut(200, 120, rule)
    pixels = np.zeros((1, 200, 3), np.uint8)
    brightness = iter([100, 120, 140])
    result = upscale_tiled(
        pixels,
        cut(1, 120, rule),
        columns,
        scale=1,
        upscale=lambda tiles: [np.full_like(tile, next(brightness)) for tile in tiles],
    )
    steps = np.diff(result[0, :, 0].astype(int))
    assert result[0, 0, 0] == 100 and result[0, -1, 0] == 140
    assert steps.min() >= 0 and steps.max() <= 2


@pytest.mark.parametrize(
    ("size", "multiple", "expected"),
    [((1, 1), 8, (8, 8)), ((8, 9), 8, (8, 16)), ((5, 5), 1, (5, 5))],
)
def test_padding_repeats_the_edge(size, multiple, expected):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    padded = Padding.to_multiple(*size, multiple).apply(pixels)
    assert padded.shape[:2] == expected
    np.testing.assert_array_equal(padded[: size[0], : size[1]], pixels)
    assert (padded[size[0] :, : size[1]] == pixels[-1]).all()
    assert (padded[:, size[1] :] == padded[:, size[1] - 1 : size[1]]).all()


def test_regions_read_rows_then_columns():
    pixels = np.arange(12).reshape(3, 4)
    assert Region(Span(1, 2), Span(2, 4)).read_from(pixels).tolist() == [[6, 7]]
