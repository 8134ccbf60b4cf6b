"""The comparison of the literature trains, measures, draws and continues, and says what it cannot train."""

from __future__ import annotations

import argparse
import importlib
import json
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_cli.bench.metrics import psnr_db
from facesr_cli.errors import UsageError
from facesr_export import parity
from facesr_train.recipe import load_recipe, recipe_from_dict

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "transfergan": {"kind": "rrdb", "channels": 4, "growth": 2, "blocks": 1, "skip": "bilinear"},
    "fdpl": {"kind": "srcnn", "widths": [4, 4], "skip": "bicubic"},
    "srgan": {"kind": "srresnet", "channels": 4, "blocks": 1},
}


@pytest.fixture
def program(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT)  # it is not installed
    program = importlib.import_module("benchmarks.literature")
    training = importlib.import_module("benchmarks.training")
    monkeypatch.setattr(training, "RATE_ROUND_S", 0.05)
    monkeypatch.setattr(training, "RATE_ROUNDS", 1)
    monkeypatch.setattr(importlib.import_module("benchmarks.literature_figures"), "SIDE_PX", 16)
    monkeypatch.setattr(parity, "CASES", ((1, 16, 24),))  # smaller than a user's export compares
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))

    def nothing(distribution):
        raise metadata.PackageNotFoundError(distribution)

    monkeypatch.setattr("facesr_train.external.packages.metadata.distribution", nothing)

    def load(name, preset=""):
        """At tiny size; transfergan without the loss whose weights are not there."""
        values = load_recipe(name, preset).to_dict()
        values["generator"] = TINY[name]
        values["data"] |= {"hr_crop_px": 32, "batch_size": 2}
        values["run"] |= {"validation_photographs": 1, "validation_crop_px": 32}
        if "discriminator" in values:
            values["discriminator"] |= {"channels": 2, "crop_px": 32}
        if name == "transfergan":
            values["loss"] = values["loss"][:1]
        return recipe_from_dict(values)

    monkeypatch.setattr(program, "load_recipe", load)
    return program


@pytest.mark.filterwarnings("ignore:Image.Image.getdata:DeprecationWarning")  # scikit-image, in the export
def test_it_trains_measures_draws_and_continues(program, tmp_path, capsys):
    with Image.open(ROOT / "examples" / "astronaut-512.png") as example:
        face = example.convert("RGB").crop((180, 0, 276, 96))
    for name in ("data/train/a.png", "data/val/b.png", "test/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        face.save(tmp_path / name)
    output, table, strip = (tmp_path / name for name in ("result.json", "table.md", "strip.png"))
    command = ["--data", tmp_path / "data", "--photographs", tmp_path / "test", "--preset", "small"]
    command += ["--runs", tmp_path / "runs", "--device", "cpu", "--repeats", 1, "-o", output]
    command += ["--table", table, "--strip", strip]
    command += ["--beside", f"another={ROOT / 'facesr_cli/model/weights/face-x2-gan.onnx'}"]
    for name in TINY:
        command += ["--recipe", name]

    def compare(minutes):
        code = program.main([*map(str, command), "--minutes", str(minutes)])
        return code, *capsys.readouterr()

    code, text, progress = compare(0.002)
    assert code == 0, progress
    assert text == table.read_text(encoding="utf-8")
    head, _, *lines = text.splitlines()
    assert head.startswith(
        "| system | PSNR, dB | on edges | off edges | SSIM | NIQE | energy above 0.25 cycles/px |"
    )
    assert "- `srgan`: " in text and 'pip install "facesr-cli[perceptual]"' in text
    assert any(line.startswith("| paper, as published | 25.66 | - |") for line in lines)
    known = json.loads(output.read_text())
    rows = known["rows"]
    assert {"bilinear", "bicubic", "face-x2", "another", "transfergan", "fdpl"} <= set(rows)
    assert known["different_people"] is None, "the extra is not there"
    for name in ("transfergan", "fdpl"):
        assert rows[name]["steps"] == max(2, round(known["rates"][name] * 0.12))
        assert rows[name]["images"] == 1
        assert rows[name]["seconds"] > 0
        assert rows[name]["psnr_db"] > 15
        assert rows[name]["identity_distance"] is None, "the extra is not there"
    assert rows["transfergan"]["initial"].startswith("transfergan-small "), "a chain of two domains"
    assert rows["face-x2"]["psnr_db"] > rows["bicubic"]["psnr_db"]
    for row in (rows["another"], rows["face-x2"]):
        assert row["edge_psnr_db"] < row["psnr_db"] < row["flat_psnr_db"]
        assert row["digest"].startswith("sha256:") and row["parameters"] == 482_992
    with Image.open(strip) as picture:
        assert picture.size == (6 * 164 - 4, 360), "three beside, three networks, the original"

    code, again, progress = compare(0.002)
    assert code == 0
    assert "steps/s" not in progress, "nothing is trained again"
    assert [line.split(" | ")[:11] for line in again.splitlines()] == [
        line.split(" | ")[:11] for line in text.splitlines()
    ]
    code, _, progress = compare(5)
    assert code == 2
    assert "made with other settings" in progress

    variant = [*command, "--variant", "plain fdpl=fdpl loss.1.weight=1e-9", "--minutes", "0.002"]
    assert program.main([*map(str, variant)]) == 0, capsys.readouterr().err
    captured = capsys.readouterr()
    rows = json.loads(output.read_text())["rows"]
    assert rows["plain fdpl"]["steps"] == rows["fdpl"]["steps"]
    assert rows["plain fdpl"]["recipe"] != rows["fdpl"]["recipe"]
    tail = captured.out.split("Variants:")[1].splitlines()
    assert [line.split(" | ")[0] for line in tail if line][2:4] == ["| fdpl", "| plain fdpl"]
    variant[-3] = "x=nothing loss.1.weight=1e-9"
    assert program.main([*map(str, variant)]) == 2
    assert "nothing is not among the recipes" in capsys.readouterr().err

    command[-1] = "fdpl"
    command += ["--clock", "-o", tmp_path / "clock.json", "--runs", tmp_path / "clock"]
    code, _, progress = compare(0.01)
    assert code == 0, progress
    clocked = json.loads((tmp_path / "clock.json").read_text())
    assert clocked["rates"] == {} and clocked["rows"]["fdpl"]["steps"] >= 1
    assert clocked["rows"]["fdpl"]["training_s"] >= 0.6


def test_by_default_all_recipes_take_part(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    program = importlib.import_module("benchmarks.literature")
    monkeypatch.setattr(program, "Objective", lambda recipe, adversary, device: None)
    found, missing = program._recipes(argparse.Namespace(recipes=None, preset="small", ranker=Path("r.npz")))
    assert missing == {}
    assert len(found) == 13 and set(program.CHAINS) <= set(found)
    for recipe in found.values():
        assert dict(recipe.data.degradations) == {"paper": 1.0} and recipe.data.split is None
    assert found["ranksrgan"].losses[2].config.ranker == str(Path("r.npz").resolve())


def test_edges_and_the_rest_are_told_apart(program):
    figures = importlib.import_module("benchmarks.literature_figures")
    truth = np.full((32, 32, 3), 60, np.uint8)
    truth[:, 16:] = 200
    wrong = truth.copy()
    wrong[:, 15:17] += 10
    assert figures.edge_psnr_db(wrong, truth)["flat_psnr_db"] is None, "nothing is wrong there"
    assert figures.edge_psnr_db(wrong, truth)["edge_psnr_db"] < psnr_db(wrong, truth)
    assert figures.edge_psnr_db(truth, np.full_like(truth, 60))["edge_psnr_db"] is None, "no edges"


@pytest.fixture
def beside(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.literature_beside")


def test_variants_are_read_as_settings_are(beside):
    words = 'srgan without normalisation=srgan generator.batch_norm=false generator.skip="bilinear"'
    assert beside.variant(words) == (
        "srgan without normalisation",
        "srgan",
        ("generator.batch_norm=false", 'generator.skip="bilinear"'),
    )
    assert beside.variant("wide=srgan 'data.stages=[ ]' run.steps=9").changes == (
        "data.stages=[ ]",
        "run.steps=9",
    )
    for words in ("alone", "a=", "=srgan x=1"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not LABEL=RECIPE KEY=VALUE"):
            beside.variant(words)
    recipes = {"edge": load_recipe("edge", "small")}
    planned = beside.planned([beside.variant("plain=edge loss.1.weight=1e-9")], recipes)
    assert planned["plain"].losses[1].weight == 1e-9
    with pytest.raises(UsageError, match="unknown key"):
        beside.planned([beside.variant("wrong=edge run.stepps=9")], recipes)


@pytest.mark.parametrize("labels", [["edge"], ["a b", "a-b"], ["../a"], ["a|b"], ["a", "a"]])
def test_labels_that_cannot_be_are_refused(beside, labels):
    with pytest.raises(UsageError, match="the label"):
        beside.check_labels(labels, ["edge", "face-x2"])


def test_rows_of_something_else_are_not_taken_for_these(beside):
    rows = {"other": {"digest": "sha256:1"}, "plain": {"variant_of": "edge", "changes": ["a=1"]}}
    same = beside.Variant("plain", "edge", ("a=1",))
    beside.check_known(rows, {"other": {"digest": "sha256:1"}}, [same])
    with pytest.raises(UsageError, match="other: was measured with other weights"):
        beside.check_known(rows, {"other": {"digest": "sha256:2"}}, [])
    with pytest.raises(UsageError, match="plain: was trained with other changes"):
        beside.check_known(rows, {}, [same._replace(changes=())])


def test_a_label_without_a_file_is_refused(program, tmp_path, capsys):
    command = ["--data", tmp_path, "--photographs", tmp_path, "--minutes", 1, "-o", tmp_path / "r.json"]
    with pytest.raises(SystemExit):
        program.main([*map(str, command), "--beside", "alone"])
    assert "'alone' is not LABEL=FILE.onnx" in capsys.readouterr().err
