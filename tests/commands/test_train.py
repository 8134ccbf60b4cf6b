from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner
from PIL import Image
from skimage.data import astronaut

from facesr_cli.commands.train import train
from facesr_cli.errors import MissingExtraError, UsageError

RECIPE = """
name = "small"
summary = "for tests"
source = "tests"
[generator]
kind = "half-resolution"
channels = 8
blocks = 1
[data]
hr_crop_px = 32
batch_size = 1
[data.degradations]
bicubic = 1.0
[[loss]]
kind = "l1"
[run]
steps = 2
epoch_steps = 1
validation_crop_px = 64
"""


def test_list_has_a_line_for_every_recipe():
    result = CliRunner().invoke(train, ["--list"])
    assert result.exit_code == 0
    assert result.stdout.startswith("face-x2 ")
    assert "paper, bicubic and real" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["face-x2"], ["face-x2", "--data", "x"], ["--out", "y"]])
def test_what_is_missing_is_said(arguments):
    result = CliRunner().invoke(train, arguments)
    assert isinstance(result.exception, UsageError)
    assert "--data DIR and --out RUN" in str(result.exception)


def test_a_run_ends_with_the_next_command(tmp_path):
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE)
    for name in ("train/a.png", "val/b.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(astronaut()[:128, 160:288]).save(tmp_path / name)
    out = tmp_path / "run"
    arguments = [str(recipe), "--data", str(tmp_path), "--out", str(out), "--device", "cpu"]
    result = CliRunner().invoke(train, arguments)
    assert result.exit_code == 0, result.output
    assert "2 steps in 0.0 minutes; validation bicubic" in result.stdout
    assert f"next: facesr-cli export {out / 'best.ckpt'} -o small.onnx" in result.stdout
    assert "100%  step 2" in result.stderr


def test_a_missing_torch_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "facesr_train.session", None)
    result = CliRunner().invoke(train, ["--list"])
    assert isinstance(result.exception, MissingExtraError)
    assert "facesr-cli[train]" in str(result.exception)
