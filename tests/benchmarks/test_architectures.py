"""The search over architectures trains, exports and times candidates, and continues where it stopped."""

from __future__ import annotations

import importlib
import json
import tomllib
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut

from facesr_train.generators import GENERATORS
from facesr_train.generators.cost import cost

ROOT = Path(__file__).resolve().parents[2]

RECIPE = """
name = "small"
summary = "for tests"
source = "tests"

[generator]
kind = "half-resolution"

[data]
hr_crop_px = 32
batch_size = 2

[data.degradations]
bicubic = 1.0

[[loss]]
kind = "l1"

[run]
epoch_steps = 1000000
validation_photographs = 1
validation_crop_px = 64
"""
CANDIDATES = """
[branches]
kind = "half-resolution-reparameterised"
channels = 8
blocks = 1
"""


def candidates():
    return tomllib.loads((ROOT / "benchmarks" / "architectures.toml").read_text())


def test_the_candidates_cost_about_the_same_and_what_the_table_says():
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for table in candidates().values():
        kind = table.pop("kind")
        config, make = GENERATORS[kind]
        network = make(config(**table))
        needed = cost(network, 512, 512)
        assert needed.gflop == pytest.approx(63.19, rel=0.05)
        (row,) = [line for line in page.splitlines() if f"| `{kind}` |" in line]
        assert f"| {needed.gflop:.1f} | {needed.parameters:,} " in row
        assert f"| {network.halo} px |" in row


@pytest.fixture
def program(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # it is not installed
    program = importlib.import_module("benchmarks.architectures")
    monkeypatch.setattr(program, "RATE_ROUND_S", 0.2)
    monkeypatch.setattr(program, "RATE_ROUNDS", 1)
    return program


def test_it_trains_times_and_continues(program, tmp_path, capsys):
    (tmp_path / "small.toml").write_text(RECIPE)
    (tmp_path / "candidates.toml").write_text(CANDIDATES)
    for name in ("train/a.png", "val/b.png", "val/c.png"):
        (tmp_path / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(astronaut()[:128, 160:288]).save(tmp_path / "faces" / name)
    output = tmp_path / "result.json"
    command = ["--data", tmp_path / "faces", "--recipe", tmp_path / "small.toml", "-o", output]
    command += ["--candidates", tmp_path / "candidates.toml", "--device", "cpu", "--repeats", "1"]
    command += ["--runs", tmp_path / "runs"]

    def search(minutes):
        code = program.main([*map(str, command), "--minutes", str(minutes)])
        return code, *capsys.readouterr()

    code, table, progress = search(0.003)
    assert code == 0, progress
    assert "2 to validate on" in progress
    head, _, line = table.splitlines()
    assert head == "| architecture | parameters | GFLOP | steps | `bicubic` | seconds |"
    assert line.startswith("| branches | 10,728 | 1.4 | "), "folded"
    row = json.loads(output.read_text())["rows"]["branches"]
    assert row["steps"] > 0
    assert row["seconds"] > 0
    assert row["steps"] == max(1, round(json.loads(output.read_text())["rates"]["branches"] * 0.18))
    assert set(row["psnr_db"]) == {"bicubic"}

    code, _, progress = search(0.003)
    assert code == 0
    assert progress == "", "nothing is trained again"
    assert json.loads(output.read_text())["rows"]["branches"]["steps"] == row["steps"]

    code, _, progress = search(5)
    assert code == 2
    assert "made with other settings" in progress
    output.unlink()
    code, _, progress = search(0.003)
    assert code == 2
    assert "left from another search" in progress
