"""Trials of mechanisms start from the same weights, are measured beside them, and continue."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from PIL import Image

from facesr_cli.errors import UsageError
from facesr_export import parity
from facesr_export.exporter import export_checkpoint
from facesr_train.recipe import load_recipe, recipe_from_dict
from facesr_train.session import TrainSettings, run_training

ROOT = Path(__file__).resolve().parents[2]
TRIALS = """
[[face-x2]]
name = "as it is"

[[face-x2]]
name = "edge loss"

[[face-x2.add]]
kind = "edge-mask"
ratio = 0.3
against = "charbonnier"
"""


def tiny(name, preset=""):
    values = load_recipe(name, preset).to_dict()
    values["generator"] |= {"channels": 4, "blocks": 1}
    values["data"] |= {"hr_crop_px": 32, "batch_size": 2, "stages": [], "degradations": {"bicubic": 1.0}}
    values["data"] |= {f"{kind}_share": 0.0 for kind in ("varied", "rescale", "colour", "soft", "flat")}
    values["run"] |= {"validation_crop_px": 32, "steps": 2}
    return recipe_from_dict(values)


@pytest.fixture
def program(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT)  # it is not installed
    program = importlib.import_module("benchmarks.mechanisms")
    training = importlib.import_module("benchmarks.training")
    monkeypatch.setattr(training, "RATE_ROUND_S", 0.05)
    monkeypatch.setattr(training, "RATE_ROUNDS", 1)
    monkeypatch.setattr(parity, "CASES", ((1, 16, 24),))  # smaller than a user's export compares
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(program, "load_recipe", tiny)
    return program


@pytest.fixture
def faces(tmp_path):
    with Image.open(ROOT / "examples" / "astronaut-512.png") as example:
        face = example.convert("RGB").crop((180, 0, 276, 96))
    for name in ("data/train/a.png", "data/val/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        face.save(tmp_path / name)
    return tmp_path / "data"


@pytest.mark.filterwarnings("ignore:Image.Image.getdata:DeprecationWarning")  # scikit-image, in the export
def test_trials_start_from_equal_weights_and_continue(program, faces, tmp_path, capsys):
    run_training(tiny("face-x2"), TrainSettings(data=faces, out=tmp_path / "first", device="cpu"))
    (tmp_path / "trials.toml").write_text(TRIALS)
    weights, output = tmp_path / "first" / "last.ckpt", tmp_path / "result.json"
    command = ["face-x2", "--data", faces, "--photographs", faces / "val", "--device", "cpu"]
    command += ["--trials", tmp_path / "trials.toml", "--runs", tmp_path / "runs", "-o", output]
    command += ["--table", tmp_path / "table.md", "--set", "optimiser.learning_rate=1e-9"]

    def compare(*more):
        code = program.main([*map(str, command), *map(str, more)])
        return code, *capsys.readouterr()

    code, text, progress = compare("--init", weights, "--minutes", 0.002)
    assert code == 0, progress
    assert text == (tmp_path / "table.md").read_text(encoding="utf-8")
    assert [line.split(" | ")[0] for line in text.splitlines()[2:]] == [
        "| bicubic", "| before", "| as it is", "| edge loss"
    ]  # fmt: skip
    known = json.loads(output.read_text())
    assert known["settings"]["init"].startswith("face-x2 ")
    before = known["rows"]["before"]["figures"]["bicubic"]["psnr_db"]
    for name in ("as it is", "edge loss"):
        row = known["rows"][name]
        assert row["steps"] == max(1, round(known["rates"][name] * 0.12))
        assert row["figures"]["bicubic"]["psnr_db"] == pytest.approx(before, abs=1e-3), "at next to no rate"

    code, again, progress = compare("--init", weights, "--minutes", 0.002)
    assert (code, again) == (0, text) and "steps/s" not in progress, "nothing is trained again"
    del known["rows"]["edge loss"]  # stopped before it was measured
    output.write_text(json.dumps(known))
    code, again, progress = compare("--init", weights, "--minutes", 0.002)
    assert (code, again) == (0, text), progress
    exported = tmp_path / "first.onnx"
    export_checkpoint(weights, exported)
    code, _, progress = compare("--init", exported, "--minutes", 0.002)
    assert code == 2 and "made with other settings" in progress


def test_a_recipe_without_trials_is_said(program, faces, tmp_path, capsys):
    command = ["srgan", "--data", faces, "--photographs", faces / "val", "--minutes", "1"]
    program.load_recipe = load_recipe
    code = program.main([*map(str, command), "--init", "none.onnx", "-o", str(tmp_path / "r.json")])
    assert code == 2 and "it has none for srgan, but for face-x2, face-x2-gan" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ('[[face-x2]]\nname = "a"\nwithout = ["charbonier"]', "a: the recipe has no loss charbonier"),
        ('[[face-x2]]\nname = "a"\nadds = 1', "a: unknown adds"),
        ('[[face-x2]]\nname = "before"', "the name 'before' is taken"),
        ('[[face-x2]]\nname = "a"\n[[face-x2]]\nname = "a"', "the name 'a' is taken"),
        ("face-x2 = []", "there are none"),
        ('[[face-x2]]\nname = "a"\n[[face-x2.add]]\nkind = "rank"', "needs --ranker FILE.npz"),
        ("nonsense", "cannot be read as trials"),
    ],
)
def test_mistakes_in_the_trials_are_named(program, faces, tmp_path, capsys, trials, message):
    (tmp_path / "trials.toml").write_text(trials)
    command = ["face-x2", "--data", faces, "--photographs", faces / "val", "--minutes", "1", "--init", "x"]
    command += ["--trials", tmp_path / "trials.toml", "-o", tmp_path / "r.json"]
    assert program.main([*map(str, command)]) == 2
    assert message in capsys.readouterr().err


def test_what_would_fail_after_the_training_fails_before(program, faces, tmp_path, capsys):
    command = ["face-x2", "--data", faces, "--minutes", "1", "-o", tmp_path / "r.json"]
    weights = ROOT / "facesr_cli" / "model" / "weights"
    for init, folder, message in (
        ("face-x2.onnx", tmp_path / "nothing", "nothing"),
        ("face-x2-hq.onnx", faces / "val", "averages over mirrored inputs"),
    ):
        more = ["--init", weights / init, "--photographs", folder]
        assert program.main([*map(str, command), *map(str, more)]) == 2
        assert message in capsys.readouterr().err


def test_a_folder_with_a_trial_of_other_weights_is_not_gone_on_with(program, faces, tmp_path):
    run_training(tiny("face-x2"), TrainSettings(data=faces, out=tmp_path / "runs", device="cpu"))
    with pytest.raises(UsageError, match="holds a trial of other weights"):
        program._trained(tiny("face-x2"), 2, tmp_path / "runs", None, origin="face-x2 0.1.0")


def test_the_shipped_trials_change_one_thing_each(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    program = importlib.import_module("benchmarks.mechanisms")
    for name in ("face-x2", "face-x2-gan"):
        folders = ["--init", "x", "--data", "x", "--photographs", "x", "-o", "x", "--ranker", "r.npz"]
        trials = program._trials(program._parser().parse_args([name, *folders, "--minutes", "1"]))
        counts = [len(recipe.losses) for recipe in trials.values()]
        assert {count - counts[0] for count in counts[1:]} <= {1, -1}
        assert next(iter(trials)) == "as it is"
