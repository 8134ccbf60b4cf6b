"""The memory that a network is expected to need."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from facesr_cli.model.budget import budget_for
from facesr_cli.model.footprint import bytes_per_pixel
from facesr_cli.model.info import read_model
from facesr_cli.model.tiling import TileRule

EDGES = 24 * (1 + 4)
"""Bytes around any x2 network, where integers are attached."""


def count(path, precision="fp32"):
    model = read_model(path)
    return bytes_per_pixel(model.file.proto, model.interface, scale=2, precision=precision)


def test_what_lives_at_once_is_counted(tiny_model):
    # The convolution's 12 planes and the 12 values per pixel that DepthToSpace makes of them.
    assert count(tiny_model) == (12 + 12) * 4 + EDGES
    assert count(tiny_model, "fp16") == (12 + 12) * 2 + EDGES


def test_fixed_sizes_are_counted_as_they_are(tmp_path, build_onnx):
    path = build_onnx(tmp_path / "fixed.onnx", shape=(2, 3, 32, 48))
    assert count(path) == (12 + 12) * 4 + EDGES


def test_a_tensor_of_unknown_shape_means_unknown(tiny_model):
    model = read_model(tiny_model)
    graph = model.file.proto.graph
    graph.input.append(helper.make_tensor_value_info("where", TensorProto.INT64, ["K"]))
    graph.node.insert(1, helper.make_node("Gather", ["planes", "where"], ["some"], axis=2))
    assert bytes_per_pixel(model.file.proto, model.interface, scale=2, precision="fp32") is None


RULE = TileRule(halo=10, multiple=4)


def test_free_memory_bounds_batch_and_tile():
    plenty = budget_for("cuda", RULE, batch_size=None, tile_px=None, most_px=10**9)
    assert plenty == budget_for("cuda", RULE, batch_size=None, tile_px=None)
    little = budget_for("cuda", RULE, batch_size=None, tile_px=None, most_px=600 * 600)
    assert little.batch_for(512, 512) == 1 and little.batch_for(256, 256) == 5
    assert little.tile_for(3000, 3000) == 528
    assert little.tile_for(600, 600) == 600


def test_hardly_any_memory_still_leaves_the_smallest_tile():
    budget = budget_for("cuda", RULE, batch_size=None, tile_px=None, most_px=1)
    assert budget.tile_for(500, 500) == RULE.smallest_tile


@pytest.mark.parametrize(("batch", "tile"), [(4, None), (None, 300)])
def test_what_is_named_is_taken_whatever_is_free(batch, tile):
    budget = budget_for("cuda", RULE, batch_size=batch, tile_px=tile, most_px=4 * 128 * 128)
    if batch:
        assert budget.batch_for(512, 512) == 4 and budget.tile_for(3000, 3000) == 66
    else:
        assert budget.tile_for(2000, 2000) == 300
