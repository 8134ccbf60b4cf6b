"""Partners: named at export or later, and checked where both files are at hand."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper

from facesr_cli.commands.export import export
from facesr_cli.errors import ExportError, ModelError, UsageError
from facesr_cli.model.info import read_model_info
from facesr_cli.model.upscaler import Upscaler
from facesr_export.exporter import export_checkpoint
from facesr_export.stamping import restamp


@pytest.fixture(scope="module")
def files(checkpoint_path, write_checkpoint, tmp_path_factory):
    """plain.onnx, other.onnx (other weights), mean.onnx (a self-ensemble), as bytes by name."""
    folder = tmp_path_factory.mktemp("partners")
    other = write_checkpoint(tmp_path_factory.mktemp("other"), seed=1)
    export_checkpoint(checkpoint_path, folder / "plain.onnx", license_name="MIT")
    export_checkpoint(other, folder / "other.onnx", half_weights=True)
    export_checkpoint(checkpoint_path, folder / "mean.onnx", mirrorings=2)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(files, tmp_path):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(export, [str(argument) for argument in arguments])


def test_a_file_gets_a_partner_without_training(folder, random_photo):
    result = run(folder / "plain.onnx", "--partner", "other.onnx", "-o", folder / "new.onnx")
    assert result.exit_code == 0, result.output
    assert "other.onnx can be blended with it" in result.stderr
    old, new = onnx.load(folder / "plain.onnx"), onnx.load(folder / "new.onnx")
    assert new.graph == old.graph and new.opset_import == old.opset_import
    info = read_model_info(folder / "new.onnx")
    assert (info.partner, info.license, info.name) == ("other.onnx", "MIT", "face-x2")
    assert info.figures == read_model_info(folder / "plain.onnx").figures
    photo = random_photo(20, 20)

    def upscaled(name, realism=None):
        with Upscaler(folder / name, provider="cpu", threads=1, realism=realism) as upscaler:
            return upscaler.upscale(photo)

    np.testing.assert_array_equal(upscaled("new.onnx", 0.0), upscaled("plain.onnx"))
    np.testing.assert_array_equal(upscaled("new.onnx", 1.0), upscaled("other.onnx"))


def test_a_stamp_does_not_take_the_name_of_the_partner_that_the_file_has(partner_model):
    partner = partner_model.with_name("sharp.onnx")
    before = partner.read_bytes()
    with pytest.raises(UsageError, match="name of its partner"):
        restamp(partner_model, partner, license_name="CC0")
    assert partner.read_bytes() == before


def test_stored_halves_stay_halves(folder):
    report = restamp(folder / "other.onnx", folder / "other.onnx", name="gan", license_name="CC0")
    assert (report.info.name, report.info.license, report.info.partner) == ("gan", "CC0", None)
    types = {tensor.data_type for tensor in onnx.load(folder / "other.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 in types


def test_a_checkpoint_gets_a_partner_at_export(checkpoint_path, folder):
    report = export_checkpoint(checkpoint_path, folder / "x.onnx", partner="other.onnx")
    assert report.partner_checked
    assert read_model_info(folder / "x.onnx").partner == "other.onnx"


def test_a_partner_that_is_not_there_yet_is_noted(folder):
    result = run(folder / "plain.onnx", "--partner", "later.onnx", "-o", folder / "new.onnx")
    assert result.exit_code == 0, result.output
    assert "later.onnx is not beside it yet" in result.stderr
    with pytest.raises(ModelError, match=r"later\.onnx: no such file"):
        Upscaler(folder / "new.onnx", realism=0.5)


@pytest.mark.parametrize(("one", "two"), [("plain.onnx", "mean.onnx"), ("mean.onnx", "plain.onnx")])
def test_self_ensembles_are_no_partners_of_plain_networks(folder, one, two):
    with pytest.raises(ExportError, match=r"over 2 mirrored inputs.*--self-ensemble") as caught:
        restamp(folder / one, folder / "new.onnx", partner=two)
    assert two in str(caught.value)
    assert not (folder / "new.onnx").exists()


def test_a_partner_that_became_an_ensemble_is_refused_at_load(folder):
    restamp(folder / "plain.onnx", folder / "new.onnx", partner="other.onnx")
    (folder / "other.onnx").write_bytes((folder / "mean.onnx").read_bytes())
    with pytest.raises(ModelError, match="over 2 mirrored inputs"):
        Upscaler(folder / "new.onnx", realism=0.5)


def test_other_networks_are_refused(checkpoint_path, folder):
    model = onnx.load(folder / "other.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "tail.bias":
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(1, np.float32), "tail.bias"))
    onnx.save(model, folder / "other.onnx")
    with pytest.raises(ExportError, match=r"other\.onnx.*graphs differ.*was not written"):
        restamp(folder / "plain.onnx", folder / "new.onnx", partner="other.onnx")
    with pytest.raises(ExportError, match="graphs differ"):
        export_checkpoint(checkpoint_path, folder / "new.onnx", partner="other.onnx")
    assert not (folder / "new.onnx").exists()


@pytest.mark.parametrize("partner", ["../other.onnx", "a/b.onnx", "", ".", "other.bin", "new.onnx"])
def test_partners_are_other_files_beside_the_output(folder, partner):
    with pytest.raises(UsageError, match="--partner"):
        restamp(folder / "plain.onnx", folder / "new.onnx", partner=partner)


@pytest.mark.parametrize(
    "option", [("--opset", "20"), ("--self-ensemble", "2"), ("--weights", "fp16"), ("--opset", "18")]
)
def test_a_finished_graph_takes_no_options_of_the_graph(folder, option):
    result = run(folder / "plain.onnx", "-o", folder / "new.onnx", *option)
    assert isinstance(result.exception, UsageError)
    assert option[0] in str(result.exception)


def test_files_of_others_are_refused(folder, foreign_model):
    with pytest.raises(UsageError, match="was not exported by facesr-cli"):
        restamp(foreign_model, folder / "new.onnx", partner="other.onnx")
