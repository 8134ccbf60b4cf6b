"""`facesr-cli models`."""

from __future__ import annotations

import json

import onnx
import pytest
from click.testing import CliRunner

from facesr_cli.commands.models import models
from facesr_cli.errors import ModelError
from facesr_cli.model import catalogue


def run(*arguments):
    return CliRunner().invoke(models, [str(argument) for argument in arguments])


def test_bundled_models_are_a_table(bundled):
    result = run()
    assert result.exit_code == 0
    for text in ("face-x2", "2x", "900", "2 px", "MIT", "random numbers", "bicubic, real", "+2.10 dB"):
        assert text in result.stdout
    assert "…" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 100
    assert "facesr-cli models NAME" in result.stderr


def test_one_model_is_described_whole(bundled):
    result = run("face-x2")
    assert result.exit_code == 0
    digest = catalogue.bundled_models()[0].info.digest
    for text in (digest, "opset", "image: float32 (N, 3, H, W)", "upscaled: float32", "tiny sha256:0000"):
        assert text in result.stdout
    assert result.stderr == ""


def test_what_a_file_states_cannot_disturb_a_terminal(foreign_x3_model):
    model = onnx.load(foreign_x3_model)
    model.metadata_props.add(key="note\x1b[2J", value="\x1b]0;x\x07\u202e")
    onnx.save(model, foreign_x3_model)
    text = run(foreign_x3_model).stdout
    assert "note\\x1b[2J" in text and "\\x1b]0;x\\x07\\u202e" in text
    assert all(character.isprintable() or character == "\n" for character in text)


def test_third_party_files_are_described(foreign_x3_model):
    result = run(foreign_x3_model)
    assert result.exit_code == 0
    assert "3x" in result.stdout
    assert "not stated; tiles are blended" in result.stdout


def test_long_values_are_folded_not_cut(bundled, build_onnx, make_info):
    data = "photographs of " + "many people, " * 30
    build_onnx(bundled / "long.onnx", info=make_info(name="long", data=data))
    for result in (run(), run("long")):
        assert "…" not in result.stdout
        assert result.stdout.count("many") == 30


def test_json(bundled, tiny_model):
    listed = json.loads(run("--json").stdout)
    assert [one["info"]["name"] for one in listed] == ["face-x2"]
    one = json.loads(run(tiny_model, "--json").stdout)
    assert one["info"]["scale"] == 2
    assert one["parameters"] == 900
    assert one["properties"]["facesr.contract"] == "1"


@pytest.mark.parametrize("name", ["missing.onnx", "face-x9"])
def test_unknown_models_are_errors(bundled, name):
    result = run(name)
    assert isinstance(result.exception, ModelError)
    assert name in str(result.exception)
    assert result.stdout == ""


def test_broken_files_are_errors(broken_model):
    assert isinstance(run(broken_model).exception, ModelError)


def test_no_bundled_models_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    result = run()
    assert isinstance(result.exception, ModelError)
    assert "incomplete" in str(result.exception)


def test_a_look_at_the_whole_picture_is_said(tmp_path, build_onnx, make_info):
    path = build_onnx(tmp_path / "pools.onnx", info=make_info(halo=None, whole_picture=True))
    assert "the whole picture; tiles change the result" in run(path).stdout
