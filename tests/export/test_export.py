from __future__ import annotations

import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from lightning_fabric import Fabric

from facesr_cli.commands.export import export
from facesr_cli.errors import ExportError, ModelError, UsageError
from facesr_cli.model.info import read_model_info
from facesr_export import exporter
from facesr_export.exporter import export_checkpoint
from facesr_export.parity import CASES, Case
from facesr_train.checkpoint import averaged_generator, load_checkpoint, save_checkpoint
from facesr_train.generators import GENERATORS


@pytest.fixture(scope="module")
def exported(checkpoint_path):
    return export_checkpoint(checkpoint_path, checkpoint_path.with_name("small.onnx"), license_name="CC0")


def test_the_file_says_what_it_is(exported):
    info = read_model_info(exported.output)
    assert (info.name, info.scale, info.multiple, info.halo, info.contract) == ("face-x2", 2, 2, 12, 1)
    assert info.degradations == ("paper", "bicubic", "real")
    assert info.data == "ten photographs"
    assert info.license == "CC0"
    assert info.recipe.startswith("face-x2 ")
    assert info.parity is not None
    assert info.parity <= 1e-4
    figures = json.loads(info.figures or "")
    assert figures["training"] == "10 steps, 80 crops of 96 px, 1 minutes"
    assert figures["validation, paper"] == "33.00 dB (+3.00 over bicubic)"


def test_batch_and_sides_are_dynamic(exported, checkpoint_path):
    session = onnxruntime.InferenceSession(exported.output, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].name == "image"
    assert session.get_inputs()[0].shape == ["N", 3, "H", "W"]
    assert session.get_outputs()[0].name == "upscaled"
    image = np.random.default_rng(0).random((2, 3, 14, 38), dtype=np.float32)
    (result,) = session.run(None, {"image": image})
    assert result.shape == (2, 3, 28, 76)
    import torch

    with torch.no_grad():
        expected = averaged_generator(load_checkpoint(checkpoint_path))(torch.from_numpy(image))
    np.testing.assert_allclose(result, expected.numpy(), atol=1e-5)


def test_parity_covers_full_size_odd_sizes_and_batches(exported):
    assert [case.shape for case in exported.cases] == list(CASES)
    assert (1, 512, 512) in CASES
    assert any(n >= 3 for n, _, _ in CASES)
    assert any(h % 2 and w % 2 for _, h, w in CASES)


@pytest.mark.parametrize("kind", sorted(kind for kind in GENERATORS if kind.startswith("half-resolution-")))
def test_every_half_resolution_network_passes_the_parity_check(kind, write_checkpoint, tmp_path):
    report = export_checkpoint(write_checkpoint(tmp_path, kind), tmp_path / "x.onnx")
    assert all(case.difference <= 1e-4 for case in report.cases)
    assert report.info.halo > 8


def test_branches_are_folded_in_the_file(exported, write_checkpoint, tmp_path):
    path = write_checkpoint(tmp_path, "half-resolution-reparameterised")
    report = export_checkpoint(path, tmp_path / "x.onnx")
    operators, plain = (
        [node.op_type for node in onnx.load(output).graph.node] for output in (report.output, exported.output)
    )
    assert operators == plain


def test_a_fault_of_folding_is_noticed(write_checkpoint, tmp_path, monkeypatch):
    """The parity check compares with the network as it was trained, not with its folded copy."""

    def careless(generator):
        plain = generator.fold()
        plain.body[0].second.weight.data[..., 1, 1] -= 0.05
        return plain

    monkeypatch.setattr(exporter, "folded", careless)
    with pytest.raises(ExportError, match="was not written"):
        export_checkpoint(write_checkpoint(tmp_path, "half-resolution-reparameterised"), tmp_path / "x.onnx")


def test_nothing_of_the_exporting_machine_is_in_the_file(exported):
    model = onnx.load(exported.output)
    assert all(not node.metadata_props and not node.doc_string for node in model.graph.node)
    assert b"site-packages" not in exported.output.read_bytes()


@pytest.mark.parametrize("difference", [2e-4, float("inf")])
def test_a_difference_writes_nothing(checkpoint_path, tmp_path, monkeypatch, difference):
    monkeypatch.setattr(exporter, "compare", lambda *_, **__: [Case((1, 512, 512), difference)])
    with pytest.raises(ExportError, match=r"differs from torch .* was not written") as caught:
        export_checkpoint(checkpoint_path, tmp_path / "x.onnx")
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_wrong_weights_are_noticed(checkpoint_path, tmp_path, monkeypatch):
    """The parity check really compares: a graph of other weights does not pass."""
    convert = exporter.to_onnx

    def altered(generator, **options):
        model = convert(generator, **options)
        for tensor in model.graph.initializer:
            if tensor.name == "tail.weight":
                values = onnx.numpy_helper.to_array(tensor) + np.float32(1e-3)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return model

    monkeypatch.setattr(exporter, "to_onnx", altered)
    with pytest.raises(ExportError):
        export_checkpoint(checkpoint_path, tmp_path / "x.onnx")


def test_bad_arguments_are_named(checkpoint_path, tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.onnx"):
        export_checkpoint(checkpoint_path, tmp_path / "x.bin")
    with pytest.raises(UsageError, match="no such folder"):
        export_checkpoint(checkpoint_path, tmp_path / "nowhere" / "x.onnx")
    with pytest.raises(UsageError, match="--opset 9"):
        export_checkpoint(checkpoint_path, tmp_path / "x.onnx", opset=9)
    with pytest.raises(ModelError, match="no such checkpoint"):
        export_checkpoint(tmp_path / "none.ckpt", tmp_path / "x.onnx")


def test_weights_that_do_not_fit_are_refused(checkpoint_path, tmp_path):
    checkpoint = load_checkpoint(checkpoint_path)
    fewer = {name: value for name, value in checkpoint.average.items() if name != "tail.bias"}
    path = tmp_path / "odd.ckpt"
    changed = dataclasses.replace(checkpoint, average=fewer)
    save_checkpoint(Fabric(accelerator="cpu", devices=1), path, changed)
    with pytest.raises(ModelError, match="do not fit"):
        export_checkpoint(path, tmp_path / "x.onnx")


def test_the_command_reports_file_and_parity(checkpoint_path, tmp_path):
    output = tmp_path / "face.onnx"
    result = CliRunner().invoke(export, [str(checkpoint_path), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert "face-x2 x2, opset 18" in result.stdout
    assert "parity 1x3x512x512" in result.stderr
    assert output.is_file()
