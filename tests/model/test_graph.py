"""Integer input and output inside the graph, for every opset that third parties use."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from facesr_cli.model.graph import INPUT, MEANS, OUTPUT, attach_integer_io
from facesr_cli.model.onnxfile import read_interface
from facesr_cli.model.precision import to_float16


def run(model, pixels):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([OUTPUT], {INPUT: pixels})[0]


def affine(opset, factor=1.0, offset=0.0, element=TensorProto.FLOAT):
    """A graph of `factor * image + offset`, built without initialisers."""
    dtype = np.float16 if element == TensorProto.FLOAT16 else np.float32
    constants = [
        helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(np.array(value, dtype)))
        for name, value in (("factor", factor), ("offset", offset))
    ]
    graph = helper.make_graph(
        [
            *constants,
            helper.make_node("Mul", ["x", "factor"], ["y"]),
            helper.make_node("Add", ["y", "offset"], ["z"]),
        ],
        "affine",
        [helper.make_tensor_value_info("x", element, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("z", element, ["N", 3, "H", "W"])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)


def attached(model, pixel_type, tmp_path):
    return attach_integer_io(model, read_interface(model, tmp_path), pixel_type)


@pytest.mark.parametrize("opset", [7, 9, 10, 11, 12, 13, 17, 18, 20, 21])
@pytest.mark.parametrize(("pixel_type", "count"), [("uint8", 256), ("uint16", 65536)])
def test_every_value_survives_the_identity(opset, pixel_type, count, tmp_path):
    values = np.arange(count, dtype=pixel_type)
    pixels = np.stack([values, values[::-1], values], axis=-1)[np.newaxis, np.newaxis]
    result = run(attached(affine(opset), pixel_type, tmp_path), pixels)
    assert result.dtype == np.dtype(pixel_type)
    np.testing.assert_array_equal(result, pixels)


@pytest.mark.parametrize("opset", [9, 17])
@pytest.mark.parametrize(
    ("factor", "offset", "value", "expected"),
    [
        (1, 0.6 / 255, 10, 11),
        (1, 0.4 / 255, 10, 10),
        (1, -0.4 / 255, 10, 10),
        (2, 0, 200, 255),
        (1, -1, 10, 0),
    ],
)
def test_values_are_rounded_and_clipped_not_cut(opset, factor, offset, value, expected, tmp_path):
    pixels = np.full((1, 2, 3, 3), value, np.uint8)
    result = run(attached(affine(opset, factor, offset), "uint8", tmp_path), pixels)
    assert (result == expected).all()


def test_rows_columns_and_channels_keep_their_places(tiny_model, tmp_path):
    model = attached(onnx.load(tiny_model), "uint8", tmp_path)
    pixels = np.zeros((2, 8, 12, 3), np.uint8)
    pixels[1, 4, 6, 2] = 255
    result = run(model, pixels)
    assert result.shape == (2, 16, 24, 3)
    assert np.unravel_index(result.argmax(), result.shape) in [(1, y, x, 2) for y in (8, 9) for x in (12, 13)]


def test_the_model_itself_is_left_alone(tmp_path):
    model = affine(17)
    before = model.SerializeToString()
    attached(model, "uint8", tmp_path)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16"])
def test_float16_networks_are_fed_in_float32_arithmetic(pixel_type, tmp_path):
    top = np.iinfo(pixel_type).max
    pixels = np.array([0, 1, top // 2, top], pixel_type).reshape(1, 2, 2, 1).repeat(3, axis=3)
    result = run(attached(affine(17, element=TensorProto.FLOAT16), pixel_type, tmp_path), pixels)
    # float16 has 11 bits, so 16-bit values are kept within half of a 2048th.
    assert np.abs(result.astype(int) - pixels).max() <= (0 if pixel_type == "uint8" else 32)


def test_conversion_to_float16_stays_within_a_level(tiny_model, random_photo, tmp_path):
    model = onnx.load(tiny_model)
    half = to_float16(model)
    assert read_interface(half, tmp_path).input_type == TensorProto.FLOAT16
    pixels = random_photo(24, 24)[np.newaxis]
    whole = run(attached(model, "uint8", tmp_path), pixels).astype(int)
    assert np.abs(run(attached(half, "uint8", tmp_path), pixels) - whole).max() <= 1
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT


@pytest.mark.parametrize("opset", [7, 11, 17, 18, 21])
@pytest.mark.parametrize("numerator", ["gap", "top"], ids=["nan", "inf"])
def test_one_undefined_number_is_told_of_its_picture_alone(opset, numerator, tmp_path):
    """The graph divides by `1 - x`, so one white sample gives 0/0 or 1/0."""
    top = onnx.numpy_helper.from_array(np.array(1, np.float32))
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["top"], value=top),
            helper.make_node("Sub", ["top", "x"], ["gap"]),
            helper.make_node("Div", [numerator, "gap"], ["y"]),
        ],
        "pole",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, "H", "W"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)
    pixels = np.full((3, 5, 6, 3), 100, np.uint8)
    pixels[1, 2, 3, 1] = 255
    session = onnxruntime.InferenceSession(
        attached(model, "uint8", tmp_path).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (means,) = session.run([MEANS], {INPUT: pixels})
    assert means.shape == (3,) and means.dtype == np.float32
    assert np.isfinite(means).tolist() == [True, False, True]
