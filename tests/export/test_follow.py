"""A network that follows its partner to new weights."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from facesr_cli.errors import ExportError, ModelError, UsageError
from facesr_cli.model.description import describe
from facesr_cli.model.info import read_model_info
from facesr_cli.model.upscaler import Upscaler
from facesr_export.exporter import export_checkpoint
from facesr_export.follow import main


@pytest.fixture(scope="module")
def files(write_checkpoint, tmp_path_factory):
    """former.onnx, gan.onnx and now.onnx of equal graphs, other.onnx of another."""
    folder = tmp_path_factory.mktemp("follow")
    for seed, name in enumerate(("former", "gan", "now")):
        checkpoint = write_checkpoint(tmp_path_factory.mktemp(name), seed=seed)
        export_checkpoint(checkpoint, folder / f"{name}.onnx", name=name)
    span = write_checkpoint(tmp_path_factory.mktemp("other"), "half-resolution-span")
    export_checkpoint(span, folder / "other.onnx")
    return folder


def weights(path):
    return {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}


def run(files, out, *more, now="now"):
    command = [files / "gan.onnx", "--former", files / "former.onnx", "--now", files / f"{now}.onnx"]
    return main([*map(str, command), "-o", str(out), *more])


def test_the_change_is_added_to_the_new_weights(files, tmp_path, random_photo):
    out = tmp_path / "out.onnx"
    assert run(files, out, "--share", "0.5") == 0
    gan, former, now = (weights(files / f"{name}.onnx") for name in ("gan", "former", "now"))
    for name, value in weights(out).items():
        if value.dtype == np.float32:
            np.testing.assert_allclose(value, now[name] + 0.5 * (gan[name] - former[name]), atol=1e-6)
        else:
            np.testing.assert_array_equal(value, gan[name])
    info = read_model_info(out)
    assert info.name == "gan" and info.parity is None
    assert "; 0.5 of what it changed, added to now 0.1.0 (sha256:" in info.data
    assert "validation" not in info.figures and "10 steps" in info.figures
    with Upscaler(out, provider="cpu", threads=1) as upscaler:
        assert upscaler.upscale(random_photo(8, 8)).shape == (16, 16, 3)


def test_from_where_it_was_it_comes_to_where_it_is(files, tmp_path):
    assert run(files, tmp_path / "out.onnx", now="former") == 0
    gan = weights(files / "gan.onnx")
    for name, value in weights(tmp_path / "out.onnx").items():
        np.testing.assert_allclose(value, gan[name], atol=1e-6)


def test_a_larger_network_that_has_grown_from_the_former_one_is_followed(
    files, write_checkpoint, tmp_path, random_photo
):
    """What was added stays as it is there; the file says of itself what holds for the larger graph."""
    checkpoint = write_checkpoint(tmp_path / "grown", "half-resolution-two-scale", seed=3)
    export_checkpoint(checkpoint, tmp_path / "grown.onnx", name="grown")
    now, out = tmp_path / "grown.onnx", tmp_path / "out.onnx"
    command = [files / "gan.onnx", "--former", files / "former.onnx", "--now", now, "-o", out]
    assert main([*map(str, command), "--share", "0.5"]) == 0
    gan, former, after = (weights(path) for path in (files / "gan.onnx", files / "former.onnx", now))
    found = weights(out)
    assert found.keys() == after.keys() > gan.keys()
    for name, value in found.items():
        change = 0.5 * (gan[name] - former[name]) if name in gan and value.dtype == np.float32 else 0
        np.testing.assert_allclose(value, after[name] + change, atol=1e-6)
    info, there = read_model_info(out), read_model_info(now)
    assert (info.name, info.multiple, info.halo) == ("gan", there.multiple, there.halo)
    with Upscaler(out, provider="cpu", threads=1) as upscaler:
        assert upscaler.upscale(random_photo(10, 7)).shape == (20, 14, 3)


@pytest.mark.parametrize(
    ("more", "now", "code", "message"),
    [
        (["--share", "0"], "now", UsageError.exit_code, "--share must be above 0"),
        (["--share", "1.5"], "now", UsageError.exit_code, "--share must be above 0"),
        ([], "other", ExportError.exit_code, "their graphs differ; "),
        ([], "none", ModelError.exit_code, "none.onnx: "),
    ],
)
def test_what_cannot_be_meant_is_said(files, tmp_path, capsys, more, now, code, message):
    assert run(files, tmp_path / "out.onnx", *more, now=now) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()


def test_the_files_that_are_read_are_not_written_over(files, capsys):
    before = (files / "now.onnx").read_bytes()
    assert run(files, files / "now.onnx") == UsageError.exit_code
    assert "write to another name" in capsys.readouterr().err
    assert (files / "now.onnx").read_bytes() == before


@pytest.mark.parametrize("options", [{"half_weights": True}, {"mirrorings": 2}], ids=["half", "mirrored"])
def test_files_in_half_precision_and_self_ensembles_follow_too(
    files, write_checkpoint, tmp_path, random_photo, options
):
    trio = tmp_path / "trio"
    trio.mkdir()
    for seed, name in enumerate(("former", "gan", "now")):
        checkpoint = write_checkpoint(tmp_path / name, seed=seed)
        export_checkpoint(checkpoint, trio / f"{name}.onnx", name=name, **options)
    assert run(files, tmp_path / "plain.onnx", "--share", "0.5") == 0
    assert run(trio, tmp_path / "out.onnx", "--share", "0.5") == 0
    info = read_model_info(tmp_path / "out.onnx")
    assert info.mirrorings == options.get("mirrorings", 1)
    assert run(trio, tmp_path / "half.onnx", "--share", "0.5", "--weights", "fp16") == 0
    assert [describe(tmp_path / name).weights for name in ("out.onnx", "half.onnx")] == ["float32", "float16"]
    photo = 96 + random_photo(12, 12) // 4  # nothing is cut off, neither before the mean nor after it

    def upscaled(name, picture):
        with Upscaler(tmp_path / name, provider="cpu", threads=1) as upscaler:
            return upscaler.upscale(picture).astype(int)

    expected = upscaled("plain.onnx", photo)
    if "mirrorings" in options:
        expected = (expected + upscaled("plain.onnx", photo[:, ::-1].copy())[:, ::-1]) / 2
    np.testing.assert_allclose(upscaled("out.onnx", photo), expected, rtol=0, atol=1)
