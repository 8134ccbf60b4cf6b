"""Reading model files: what is no model, too large, or reaches out of its folder."""

from __future__ import annotations

import os

import onnx
import pytest

from facesr_cli.errors import ModelError
from facesr_cli.model import onnxfile
from facesr_cli.model.onnxfile import count_parameters, read_onnx
from facesr_cli.model.upscaler import Upscaler


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a model", os.urandom(64), b"\x08\x08"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "photo.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not an ONNX file") as caught:
        read_onnx(path)
    assert str(path) in str(caught.value)


def test_cut_files_are_refused(broken_model):
    with pytest.raises(ModelError, match="cut short"):
        read_onnx(broken_model)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        read_onnx(tmp_path / "missing.onnx")


def test_large_files_are_refused_unread(tiny_model, monkeypatch):
    monkeypatch.setattr(onnxfile, "MAX_MODEL_BYTES", 1000)
    with pytest.raises(ModelError, match="at most 1 GiB"):
        read_onnx(tiny_model)


@pytest.fixture
def split_model(tmp_path, tiny_model):
    """The tiny model with its weights in a second file."""
    path = tmp_path / "split.onnx"
    model = onnx.load(tiny_model)
    onnx.save(model, path, save_as_external_data=True, location="split.bin", size_threshold=0)
    return path


def move_data(path, location):
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    path.write_bytes(model.SerializeToString())


def test_data_beside_the_model_is_loaded(split_model, tiny_model):
    assert read_onnx(split_model).proto.graph.initializer[0].HasField("raw_data")
    assert count_parameters(read_onnx(split_model).proto) == count_parameters(onnx.load(tiny_model)) == 900


def test_constants_of_formulas_are_no_parameters(tiny_model):
    model = onnx.load(tiny_model)
    model.graph.initializer.append(onnx.helper.make_tensor("divisor", onnx.TensorProto.FLOAT, [], [4.0]))
    model.graph.initializer.append(onnx.helper.make_tensor("slope", onnx.TensorProto.FLOAT, [1], [0.2]))
    assert count_parameters(model) == 901


def test_the_digest_covers_the_data_beside_the_model(split_model):
    before = read_onnx(split_model).digest
    data = split_model.parent / "split.bin"
    data.write_bytes(data.read_bytes()[:-1] + b"\x01")
    assert read_onnx(split_model).digest != before


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "C:\\secret.bin", "", "a/../../s.bin"])
def test_data_elsewhere_is_refused(split_model, location):
    (split_model.parent.parent / "secret.bin").write_bytes(bytes(4000))
    move_data(split_model, location)
    with pytest.raises(ModelError, match="outside its own folder"):
        read_onnx(split_model)


def test_links_out_of_the_folder_are_refused(split_model, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "data.bin"
    outside.write_bytes((split_model.parent / "split.bin").read_bytes())
    (split_model.parent / "link.bin").symlink_to(outside)
    move_data(split_model, "link.bin")
    with pytest.raises(ModelError, match="outside its own folder"):
        read_onnx(split_model)


def test_missing_data_is_named(split_model):
    (split_model.parent / "split.bin").unlink()
    with pytest.raises(ModelError, match=r"split\.bin.*missing"):
        read_onnx(split_model)


def test_short_data_is_a_typed_error(split_model):
    (split_model.parent / "split.bin").write_bytes(b"1234")
    # Some versions of onnx notice when they read it, the others leave it to onnxruntime.
    with pytest.raises(ModelError):
        Upscaler(split_model)


@pytest.mark.parametrize("location", ["split.bin\0x", "x" * 5000, "loop"])
def test_names_that_cannot_be_ones_are_typed_errors(split_model, location):
    (split_model.parent / "loop").symlink_to(split_model.parent / "loop")
    move_data(split_model, location)
    with pytest.raises(ModelError, match=r"split\.onnx"):
        read_onnx(split_model)


def test_numbers_that_are_none_are_typed_errors(split_model):
    model = onnx.load(split_model, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "offset":
            entry.value = "abc"
    split_model.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="cannot be read"):
        read_onnx(split_model)


@pytest.mark.parametrize("stated", [True, False])
def test_many_tensors_that_share_one_file_count_each(split_model, stated):
    """A few kB of a model could otherwise fill any memory."""
    with (split_model.parent / "sparse.bin").open("wb") as file:
        file.truncate(300 << 20)
    model = onnx.load(split_model, load_external_data=False)
    for number in range(4):
        tensor = model.graph.initializer.add(name=f"extra{number}", data_type=onnx.TensorProto.FLOAT)
        tensor.dims.append(75 << 20)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="sparse.bin")
        if stated:
            tensor.external_data.add(key="length", value=str(300 << 20))
    split_model.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="at most 1 GiB"):
        read_onnx(split_model)


def test_data_of_functions_is_checked_too(split_model):
    model = onnx.load(split_model, load_external_data=False)
    tensor = onnx.TensorProto(data_type=onnx.TensorProto.FLOAT, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    node = onnx.helper.make_node("Constant", [], ["b"], value=tensor)
    opsets = [onnx.helper.make_opsetid("", 17)]
    model.functions.append(onnx.helper.make_function("own", "F", [], ["b"], [node], opsets))
    split_model.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside its own folder"):
        read_onnx(split_model)
