from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from facesr_cli.bench.work import count_work
from facesr_cli.model.catalogue import resolve_model
from facesr_cli.model.info import read_model


def graph_of(nodes, weights, *, shape=("N", 3, "H", "W")):
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("upscaled", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(size, np.float32), name) for name, size in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def tiny(tiny_model):
    return onnx.load(tiny_model)


def test_a_convolution_is_counted_by_hand(tiny):
    work = count_work(tiny, 8, 10)
    assert work.multiply_adds == 12 * 3 * 5 * 5 * 8 * 10
    assert work.values_moved == 3 * 80 + 12 * 3 * 25 + 12 * 80
    assert work.gflop == 2 * work.multiply_adds / 1e9
    assert work.gbyte("fp32") == 2 * work.gbyte("fp16") == 4 * work.values_moved / 1e9


def test_strides_groups_and_transposed_convolutions():
    nodes = [
        helper.make_node("Conv", ["image", "halve"], ["half"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["half", "each"], ["deep"], group=6, pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["deep", "double"], ["upscaled"], strides=[2, 2]),
    ]
    weights = {"halve": (6, 3, 3, 3), "each": (6, 1, 3, 3), "double": (6, 3, 2, 2)}
    work = count_work(graph_of(nodes, weights), 16, 16)
    assert work.multiply_adds == 64 * (6 * 3 * 9 + 6 * 9 + 6 * 3 * 4)


def test_products_of_matrices():
    nodes = [
        helper.make_node("MatMul", ["image", "square"], ["upscaled"]),
    ]
    assert count_work(graph_of(nodes, {"square": (20, 5)}), 8, 20).multiply_adds == 3 * 8 * 5 * 20


def test_what_cannot_be_known_is_none(tiny):
    fixed = graph_of(
        [helper.make_node("Conv", ["image", "w"], ["upscaled"], pads=[1, 1, 1, 1])],
        {"w": (3, 3, 3, 3)},
        shape=(1, 3, 64, 64),
    )
    assert count_work(fixed, 64, 64) is not None
    assert count_work(fixed, 64, 65) is None
    unknown = graph_of(
        [
            helper.make_node("NonZero", ["image"], ["where"]),
            helper.make_node("Cast", ["where"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["w", "floats"], ["upscaled"]),
        ],
        {"w": (2, 4)},
    )
    assert count_work(unknown, 8, 8) is None


def test_the_graph_is_left_alone(tiny):
    before = tiny.SerializeToString()
    count_work(tiny, 8, 8)
    assert tiny.SerializeToString() == before


def test_the_bundled_network_costs_what_its_page_says():
    work = count_work(read_model(resolve_model("face-x2")).file.proto, 512, 512)
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"{work.gflop:.0f} GFLOP for a 512x512 photograph" in page
