"""Model metadata: written, read back, refused when wrong; third-party files probed."""

from __future__ import annotations

import hashlib

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesr_cli.errors import ModelError
from facesr_cli.model.info import ModelInfo, read_model, read_model_info

text = st.text(max_size=20)


@given(
    name=st.text(min_size=1, max_size=20),
    version=text,
    scale=st.integers(1, 8),
    multiple=st.integers(1, 64),
    halo=st.none() | st.integers(0, 500),
    recipe=text,
    parity=st.none() | st.floats(0, 1),
    partner=st.none() | st.text(min_size=1, max_size=20),
    mirrorings=st.integers(1, 8),
    adversarial=st.booleans(),
    drift=st.integers(0, 255),
)
def test_properties_survive_the_round_trip(**values):
    info = ModelInfo(**values, degradations=("paper", "real"), data="photographs", license="MIT", digest="x")
    properties = info.to_properties()
    assert "x" not in (properties.get("facesr.digest"),)
    assert ModelInfo.from_properties(properties, digest="x") == info


def test_a_look_at_the_whole_picture_survives_the_round_trip(make_info):
    info = make_info(halo=None, whole_picture=True)
    properties = info.to_properties()
    assert "facesr.halo" not in properties, "an older program then blends tiles"
    assert ModelInfo.from_properties(properties) == info


def test_stamped_files_are_read_without_running_them(tiny_model, make_info):
    digest = "sha256:" + hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert read_model_info(tiny_model) == make_info(digest=digest)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("scale", None, "facesr.scale"),
        ("license", None, "facesr.license"),
        ("scale", "two", "two"),
        ("scale", "0", "positive"),
        ("halo", "-1", "negative"),
        ("mirrorings", "-2", "positive"),
        ("adversarial", "yes", "yes"),
        ("drift", "256", "0..255"),
        ("context", "whole-picture", "has no halo"),
        ("context", "half", "not known"),
        ("contract", "2", "Upgrade facesr-cli"),
    ],
)
def test_wrong_metadata_is_named(make_info, key, value, message):
    properties = make_info().to_properties()
    if value is None:
        del properties[f"facesr.{key}"]
    else:
        properties[f"facesr.{key}"] = value
    with pytest.raises(ModelError, match=message) as caught:
        ModelInfo.from_properties(properties, source="some.onnx")
    assert "some.onnx" in str(caught.value)


@pytest.mark.parametrize(("fixture", "scale"), [("foreign_model", 2), ("foreign_x3_model", 3)])
def test_scale_of_third_party_files_is_found(fixture, scale, request):
    path = request.getfixturevalue(fixture)
    info = read_model_info(path)
    assert (info.scale, info.multiple, info.halo, info.contract) == (scale, 1, None, None)
    assert info.name == path.stem


@pytest.mark.parametrize("multiple", [2, 4, 16])
def test_multiple_of_third_party_files_is_found(tmp_path, build_onnx, multiple):
    path = build_onnx(tmp_path / "m.onnx", unshuffle=multiple)
    assert read_model_info(path).multiple == multiple


def test_networks_that_run_one_picture_only_are_noticed(tmp_path, build_onnx):
    path = build_onnx(tmp_path / "one.onnx")
    model = onnx.load(path)
    # A reshape with the size of one picture in it, as some exporters leave behind.
    model.graph.node[-1].output[0] = "many"
    model.graph.node.append(onnx.helper.make_node("Reshape", ["many", "one"], ["upscaled"]))
    shape = onnx.helper.make_node("Shape", ["many"], ["shape"])
    parts = [
        shape,
        onnx.helper.make_node("Slice", ["shape", "from1", "to4"], ["tail"]),
        onnx.helper.make_node("Concat", ["n", "tail"], ["one"], axis=0),
    ]
    last = model.graph.node.pop()
    model.graph.node.extend([*parts, last])
    for name, value in (("from1", 1), ("to4", 4), ("n", 1)):
        model.graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [1], [value]))
    onnx.save(model, path)
    assert read_model(path).interface.batch == 1


def save_graph(path, nodes, inputs, outputs, opset=17):
    graph = onnx.helper.make_graph(nodes, "g", inputs, outputs)
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8), path
    )


def value(name, shape, element=onnx.TensorProto.FLOAT):
    return onnx.helper.make_tensor_value_info(name, element, shape)


IMAGE = ("N", 3, "H", "W")


@pytest.mark.parametrize(
    ("nodes", "inputs", "outputs", "message"),
    [
        ([("Relu", ["x"], ["y"])], [value("x", IMAGE)], [value("y", IMAGE)], "size of its input"),
        ([("Flatten", ["x"], ["y"])], [value("x", IMAGE)], [value("y", ["a", "b"])], r"expected float \(N"),
        ([("Flatten", ["x"], ["y"])], [value("x", IMAGE)], [value("y", None)], "not an upscaler"),
        ([("Add", ["x", "z"], ["y"])], [value("x", IMAGE), value("z", IMAGE)], [value("y", IMAGE)], "x, z"),
        (
            [("Relu", ["x"], ["y"])],
            [value("x", ("N", "H", "W", 3))],
            [value("y", ("N", "H", "W", 3))],
            "H, W, 3",
        ),
        (
            [("Relu", ["x"], ["y"])],
            [value("x", IMAGE, onnx.TensorProto.DOUBLE)],
            [value("y", IMAGE, onnx.TensorProto.DOUBLE)],
            "not float32 or float16",
        ),
        ([("Nonsense", ["x"], ["y"])], [value("x", IMAGE)], [value("y", IMAGE)], "cannot load"),
    ],
)
def test_files_that_are_no_upscalers_are_refused_with_the_reason(tmp_path, nodes, inputs, outputs, message):
    path = tmp_path / "odd.onnx"
    save_graph(path, [onnx.helper.make_node(*node) for node in nodes], inputs, outputs)
    with pytest.raises(ModelError, match=message) as caught:
        read_model_info(path)
    assert str(path) in str(caught.value)


def test_networks_of_another_range_are_refused(tmp_path, build_onnx):
    with pytest.raises(ModelError, match="another range"):
        read_model_info(build_onnx(tmp_path / "levels.onnx", gain=255.0))


def test_old_opsets_are_refused(tmp_path, build_onnx):
    with pytest.raises(ModelError, match="opset 6"):
        read_model_info(build_onnx(tmp_path / "old.onnx", opset=6))


def test_failed_attempts_of_a_probe_are_not_printed(tmp_path, build_onnx, capfd):
    read_model_info(build_onnx(tmp_path / "m.onnx", unshuffle=8))
    assert capfd.readouterr() == ("", "")
