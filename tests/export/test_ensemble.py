"""Self-ensembles: the mean over mirrored inputs, in a file no larger than that of one network."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner

from facesr_cli.commands.export import export
from facesr_cli.errors import ExportError, UsageError
from facesr_cli.model.info import read_model_info
from facesr_cli.model.onnxfile import count_parameters
from facesr_cli.model.upscaler import Upscaler
from facesr_export import exporter
from facesr_export.ensemble import MIRRORED_AXES
from facesr_export.exporter import export_checkpoint
from facesr_train.checkpoint import averaged_generator, load_checkpoint
from facesr_train.initial import read_initial


@pytest.fixture(scope="module")
def plain(checkpoint_path, tmp_path_factory):
    return export_checkpoint(checkpoint_path, tmp_path_factory.mktemp("plain") / "plain.onnx")


@pytest.fixture(scope="module", params=[2, 4])
def ensemble(request, checkpoint_path, tmp_path_factory):
    output = tmp_path_factory.mktemp("ensemble") / "mean.onnx"
    return export_checkpoint(checkpoint_path, output, name="face-x2-mean", mirrorings=request.param)


def test_the_graph_is_the_mean_over_mirrored_inputs(checkpoint_path, ensemble):
    generator = averaged_generator(load_checkpoint(checkpoint_path))
    # A sharp corner, so that the copies differ.
    image = torch.zeros(1, 3, 18, 26)
    image[..., 5:, 9:] = torch.tensor([0.9, 0.4, 0.1])[:, None, None]
    with torch.no_grad():
        copies = [generator(image.flip(axes)).flip(axes) for axes in MIRRORED_AXES[ensemble.info.mirrorings]]
    assert len(copies) == ensemble.info.mirrorings
    assert (copies[0] - copies[1]).abs().max() > 1e-3
    import onnxruntime

    session = onnxruntime.InferenceSession(ensemble.output, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"image": image.numpy()})
    np.testing.assert_allclose(result, torch.stack(copies).mean(0).numpy(), atol=1e-5)


def test_a_mirrored_photograph_gives_the_mirrored_result(ensemble, random_photo):
    photo = random_photo(20, 32)
    with Upscaler(ensemble.output, provider="cpu", threads=1) as upscaler:
        result = upscaler.upscale(photo)
        difference = upscaler.upscale(photo[:, ::-1])[:, ::-1].astype(int) - result
        assert np.abs(difference).max() <= 1
        if ensemble.info.mirrorings == 4:
            difference = upscaler.upscale(photo[::-1])[::-1].astype(int) - result
            assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (33, 1), (47, 30)])
def test_every_size_works(ensemble, random_photo, size):
    with Upscaler(ensemble.output, provider="cpu", threads=1) as upscaler:
        assert upscaler.upscale(random_photo(*size)).shape == (2 * size[0], 2 * size[1], 3)


def test_tiles_give_the_untiled_result(ensemble, random_photo):
    photo = random_photo(75, 91)
    with Upscaler(ensemble.output, provider="cpu", threads=1) as whole:
        expected = whole.upscale(photo).astype(int)
    with Upscaler(ensemble.output, provider="cpu", threads=1, tile_px=48) as tiled:
        assert np.abs(tiled.upscale(photo) - expected).max() <= 1


def test_the_copies_share_their_weights(plain, ensemble):
    one, many = onnx.load(plain.output).graph, onnx.load(ensemble.output).graph
    convolutions = [sum(node.op_type == "Conv" for node in graph.node) for graph in (one, many)]
    assert convolutions[1] == ensemble.info.mirrorings * convolutions[0]
    weights = [
        {tensor.name: tensor for tensor in graph.initializer if tensor.name.endswith((".weight", ".bias"))}
        for graph in (one, many)
    ]
    assert weights[0] == weights[1]
    values = [sum(np.prod(tensor.dims) for tensor in graph.initializer) for graph in (one, many)]
    assert values[1] < values[0] + 50
    assert count_parameters(onnx.load(ensemble.output)) == count_parameters(onnx.load(plain.output))


def test_the_file_says_so(plain, ensemble):
    info = read_model_info(ensemble.output)
    mirrorings = ensemble.info.mirrorings
    assert info.name == "face-x2-mean"
    assert info.recipe == f"{plain.info.recipe}, mean of {mirrorings} mirrorings"
    assert info.mirrorings == mirrorings and read_model_info(plain.output).mirrorings == 1
    assert (info.scale, info.multiple, info.halo) == (2, 2, plain.info.halo)
    assert "validation of one copy, paper" in json.loads(info.figures)


def test_training_starts_from_an_ensemble_as_from_its_network(checkpoint_path, ensemble):
    checkpoint = load_checkpoint(checkpoint_path)
    initial = read_initial(ensemble.output, checkpoint.recipe)
    assert all(torch.equal(initial.weights[name], value) for name, value in checkpoint.average.items())


def test_the_parity_check_is_with_the_ensemble(checkpoint_path, tmp_path, monkeypatch):
    """A graph of one copy does not pass for the mean of two."""
    convert = exporter.to_onnx
    monkeypatch.setattr(exporter, "to_onnx", lambda generator, **kw: convert(generator.network, **kw))
    with pytest.raises(ExportError, match="was not written"):
        export_checkpoint(checkpoint_path, tmp_path / "x.onnx", mirrorings=2)


def test_branches_are_folded_before(write_checkpoint, tmp_path, plain):
    path = write_checkpoint(tmp_path, "half-resolution-reparameterised")
    report = export_checkpoint(path, tmp_path / "x.onnx", mirrorings=2)
    assert report.size_bytes < plain.size_bytes + 10_000


def test_the_command_takes_both(checkpoint_path, tmp_path):
    output = tmp_path / "mean.onnx"
    arguments = [str(checkpoint_path), "-o", str(output), "--self-ensemble", "2", "--name", "mean-x2"]
    result = CliRunner().invoke(export, arguments)
    assert result.exit_code == 0, result.output
    assert "mean-x2 x2" in result.stdout
    assert read_model_info(output).mirrorings == 2


def test_names_are_not_empty(checkpoint_path, tmp_path):
    with pytest.raises(UsageError, match="needs a name"):
        export_checkpoint(checkpoint_path, tmp_path / "x.onnx", name=" ")
