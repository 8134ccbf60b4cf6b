"""Weights in half precision: half the file, the same arithmetic, and files of others untouched."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from facesr_cli.commands.export import export
from facesr_cli.commands.models import models
from facesr_cli.errors import ExportError, ModelError
from facesr_cli.model.blend import blend
from facesr_cli.model.info import read_model
from facesr_cli.model.onnxfile import read_onnx
from facesr_cli.model.upscaler import Upscaler
from facesr_export import exporter
from facesr_export.exporter import export_checkpoint
from facesr_train.checkpoint import load_checkpoint
from facesr_train.initial import read_initial


@pytest.fixture(scope="module")
def pair(checkpoint_path, tmp_path_factory):
    """The reports of one checkpoint exported with float32 and with float16 weights."""
    folder = tmp_path_factory.mktemp("half")
    whole = export_checkpoint(checkpoint_path, folder / "whole.onnx")
    return whole, export_checkpoint(checkpoint_path, folder / "half.onnx", half_weights=True)


def weights(proto):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def test_the_file_is_about_half_the_size(pair):
    whole, half = pair
    graph = sum(len(node.SerializeToString()) for node in onnx.load(half.output).graph.node)
    assert half.size_bytes - graph < 0.6 * whole.size_bytes


def test_the_result_is_within_one_level(pair, random_photo):
    photo = random_photo(40, 50)
    results = []
    for report in pair:
        with Upscaler(report.output, provider="cpu", threads=1) as upscaler:
            results.append(upscaler.upscale(photo).astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1


def test_a_read_file_is_the_float32_graph(pair):
    whole, half = (read_model(report.output).file for report in pair)
    assert [node.op_type for node in half.proto.graph.node] == [n.op_type for n in whole.proto.graph.node]
    assert all(tensor.data_type != TensorProto.FLOAT16 for tensor in half.proto.graph.initializer)
    expected = weights(whole.proto)
    for name, values in weights(half.proto).items():
        assert values.dtype == expected[name].dtype
        np.testing.assert_allclose(values, expected[name], rtol=2**-11, atol=2**-25)
        if name.endswith("bias"):
            np.testing.assert_array_equal(values, expected[name])
    onnx.checker.check_model(half.proto, full_check=True)
    blend(whole.proto, half.proto, 0.5)


def test_the_file_runs_in_any_runtime(pair, random_photo):
    image = (random_photo(16, 20).transpose(2, 0, 1)[None] / 255).astype(np.float32)
    results = [
        onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"]).run(None, {"image": image})
        for source in (pair[1].output, read_onnx(pair[1].output).proto.SerializeToString())
    ]
    np.testing.assert_array_equal(results[0][0], results[1][0])


def test_models_shows_what_is_stored(pair):
    shown = [CliRunner().invoke(models, [str(report.output)]).stdout for report in pair]
    assert "weights in float32" in shown[0]
    assert "weights in float16" in shown[1]


def test_training_starts_from_the_rounded_weights(checkpoint_path, pair):
    checkpoint = load_checkpoint(checkpoint_path)
    initial = read_initial(pair[1].output, checkpoint.recipe)
    rounded = checkpoint.average["tail.weight"].half().float()
    assert torch.equal(initial.weights["tail.weight"], rounded)


def test_self_ensembles_keep_one_copy_of_each_weight(checkpoint_path, pair, tmp_path):
    report = export_checkpoint(checkpoint_path, tmp_path / "x.onnx", mirrorings=2, half_weights=True)
    stored = [
        [tensor for tensor in onnx.load(output).graph.initializer if tensor.data_type == TensorProto.FLOAT16]
        for output in (report.output, pair[1].output)
    ]
    assert stored[0] == stored[1]
    read_model(report.output)


def test_wrong_rounding_is_noticed(checkpoint_path, tmp_path, monkeypatch):
    """The tolerance stays 1e-4: a fault as large as one of a weight's last bits shows."""
    convert = exporter.with_half_weights

    def careless(model):
        result = convert(model)
        for tensor in result.graph.initializer:
            if tensor.name == "skip.weight.float16":
                values = numpy_helper.to_array(tensor) * np.float16(1 + 2**-9)
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return result

    monkeypatch.setattr(exporter, "with_half_weights", careless)
    with pytest.raises(ExportError, match="was not written"):
        export_checkpoint(checkpoint_path, tmp_path / "x.onnx", half_weights=True)


def test_weights_beyond_half_precision_are_refused():
    tensor = numpy_helper.from_array(np.full((3, 3, 1, 1), 1e5, np.float32), "w")
    graph = helper.make_graph([helper.make_node("Conv", ["image", "w"], ["y"])], "g", [], [], [tensor])
    with pytest.raises(ExportError, match="w has values that half precision cannot hold"):
        exporter.with_half_weights(helper.make_model(graph))


def test_the_command_says_what_rounding_makes(checkpoint_path, tmp_path):
    arguments = [str(checkpoint_path), "-o", str(tmp_path / "x.onnx"), "--weights", "fp16"]
    result = CliRunner().invoke(export, arguments)
    assert result.exit_code == 0, result.output
    assert "half precision: at most 0." in result.stderr


def test_files_of_others_are_left_as_they_are(pair, tmp_path):
    model = onnx.load(pair[1].output)
    del model.metadata_props[:]
    path = tmp_path / "foreign.onnx"
    onnx.save(model, path)
    assert read_onnx(path).proto == model
    assert read_onnx(path).weights == "float16"


def test_a_weight_with_two_readers_is_left_as_it_is(pair, tmp_path):
    """Else a small file could ask for any amount of memory."""
    model = onnx.load(pair[1].output)
    cast = next(node for node in model.graph.node if node.op_type == "Cast")
    model.graph.node.insert(0, helper.make_node("Cast", cast.input, ["again"], to=TensorProto.FLOAT))
    path = tmp_path / "two.onnx"
    onnx.save(model, path)
    assert cast.input[0] in weights(read_onnx(path).proto)


def test_short_weights_are_a_typed_error(pair, tmp_path):
    model = onnx.load(pair[1].output)
    tensor = next(t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT16)
    tensor.raw_data = tensor.raw_data[:-2]
    path = tmp_path / "short.onnx"
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"short\.onnx: its weights cannot be read"):
        read_onnx(path)
