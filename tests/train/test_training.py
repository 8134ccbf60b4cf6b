"""Whole runs of a tiny recipe on a CPU."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import pickle
import sys
from types import SimpleNamespace

import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image

from facesr_cli.errors import CapabilityError, ModelError, TrainingError, UsageError
from facesr_train import loop, photographs, run_state, session
from facesr_train.changes import changed
from facesr_train.checkpoint import averaged_generator, load_checkpoint, save_checkpoint
from facesr_train.optimisers import adam, state_for
from facesr_train.recipe import recipe_from_dict
from facesr_train.session import TrainSettings, run_training


def settings(faces, out, **changes):
    return dataclasses.replace(TrainSettings(data=faces, out=out, device="cpu"), **changes)


def test_a_run_leaves_checkpoints_log_and_pictures(recipe, faces, tmp_path, capsys):
    checkpoint = run_training(recipe, settings(faces, tmp_path / "run"))
    assert checkpoint is not None
    assert checkpoint.step == 6
    assert checkpoint.images_seen == 12
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"last.ckpt", "best.ckpt", "metrics.csv", "tensorboard", "samples"} <= names
    assert not [name for name in names if name.endswith(".part")]
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3", "6"]
    assert {"loss", "learning_rate", "psnr_db/paper", "gain_db/real"} <= set(rows[0])
    assert (tmp_path / "run" / "samples" / "step-0000006.png").is_file()
    assert "100%  step 6" in capsys.readouterr().err


class InterruptedRunError(Exception):
    pass


def test_resume_continues_exactly(recipe, faces, tmp_path, monkeypatch):
    whole = run_training(recipe, settings(faces, tmp_path / "whole"))

    def interrupt(self, report):
        raise InterruptedRunError

    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
        patch.setattr(session._Reporter, "epoch", interrupt)
        run_training(recipe, settings(faces, tmp_path / "parts"))
    assert load_checkpoint(tmp_path / "parts" / "last.ckpt").step == 3
    resumed = run_training(recipe, settings(faces, tmp_path / "parts", resume=True))
    assert resumed.step == whole.step
    assert resumed.images_seen == whole.images_seen
    for name, tensor in whole.generator.items():
        assert torch.equal(tensor, resumed.generator[name]), name
        assert torch.equal(whole.average[name], resumed.average[name]), name


def test_a_run_without_usable_photographs_leaves_no_folder(recipe, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    for name in "ab":
        Image.new("RGB", (8, 8)).save(small / f"{name}.png")
    with pytest.raises(TrainingError):
        run_training(recipe, TrainSettings(data=small, out=tmp_path / "run", device="cpu"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(TrainingError):
        run_training(recipe, TrainSettings(data=small, out=tmp_path / "mine", device="cpu"))
    assert (tmp_path / "mine").is_dir(), "a folder that was there stays"


def test_a_used_folder_is_not_overwritten(recipe, make_recipe, faces, tmp_path):
    run_training(recipe, settings(faces, tmp_path))
    with pytest.raises(UsageError, match="--resume"):
        run_training(recipe, settings(faces, tmp_path))
    with pytest.raises(UsageError, match="was trained with recipe small"):
        run_training(make_recipe(steps=9), settings(faces, tmp_path, resume=True))


def test_resume_without_a_run_and_an_unusable_out_are_wrong_usage(recipe, faces, tmp_path):
    with pytest.raises(UsageError, match="nothing to resume"):
        run_training(recipe, settings(faces, tmp_path / "mistyped", resume=True))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made a folder"):
        run_training(recipe, settings(faces, tmp_path / "file"))


def test_held_out_photographs_may_differ_in_size(recipe, portrait, tmp_path):
    for name, side in {"train/a.png": 128, "val/a.png": 40, "val/b.png": 128}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(portrait[:side, 160 : 160 + side]).save(tmp_path / name)
    assert run_training(recipe, settings(tmp_path, tmp_path / "run")) is not None


def test_photographs_that_spilled_to_disk_are_removed_at_the_end(recipe, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "_free_memory_bytes", lambda: 1000)
    run_training(recipe, settings(faces, tmp_path))
    assert not list(tmp_path.glob("*.uint8"))


def test_a_time_budget_ends_the_run_at_the_lowest_rate(make_recipe, faces, tmp_path, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(run_state.time, "perf_counter", lambda: next(ticks) / 10)
    recipe = make_recipe(steps=10**9, epoch_steps=10**6)
    checkpoint = run_training(recipe, settings(faces, tmp_path, max_minutes=0.05))
    assert checkpoint is not None
    assert checkpoint.step == 30  # 3 seconds, a tenth of a second each
    assert checkpoint.elapsed_s == pytest.approx(3.0)
    with (tmp_path / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["learning_rate"]) < 0.02 * recipe.optimiser.learning_rate


def test_non_finite_training_stops_with_the_last_good_state(recipe, faces, tmp_path):
    run_training(recipe, settings(faces, tmp_path))
    longer = dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, steps=40))
    good = dataclasses.replace(load_checkpoint(tmp_path / "last.ckpt"), recipe=longer)
    with torch.no_grad():
        good.generator["tail.bias"].fill_(float("nan"))
    save_checkpoint(Fabric(accelerator="cpu", devices=1), tmp_path / "last.ckpt", good)
    before = (tmp_path / "last.ckpt").read_bytes()
    with pytest.raises(TrainingError, match=r"non-finite before step 9.*last\.ckpt"):
        run_training(longer, settings(faces, tmp_path, resume=True))
    assert (tmp_path / "last.ckpt").read_bytes() == before


def test_training_on_one_photograph_beats_bicubic(make_recipe, faces, tmp_path):
    values = make_recipe(steps=160, epoch_steps=160).to_dict()
    values["data"]["degradations"] = {"bicubic": 1.0}
    values["generator"]["channels"] = 16
    checkpoint = run_training(recipe_from_dict(values), settings(faces, tmp_path))
    assert checkpoint.val_psnr_db["bicubic"] > checkpoint.val_bicubic_psnr_db["bicubic"]


def test_averaged_weights_are_what_a_checkpoint_gives(recipe, faces, tmp_path):
    run_training(recipe, settings(faces, tmp_path))
    checkpoint = load_checkpoint(tmp_path / "best.ckpt")
    generator = averaged_generator(checkpoint)
    assert not generator.training
    assert all(torch.equal(generator.state_dict()[name], value) for name, value in checkpoint.average.items())


class Hostile:
    def __reduce__(self):
        return (pytest.fail, ("the checkpoint's code ran",))


def test_broken_and_hostile_checkpoints_are_refused(tmp_path):
    with pytest.raises(ModelError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "missing.ckpt")
    for name, data in {
        "empty": b"",
        "text": b"not a checkpoint",
        "pickle": pickle.dumps(Hostile(), 2),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=name):
            load_checkpoint(tmp_path / name)
    for name, state in {"hostile": {"facesr_checkpoint": Hostile()}, "other": {"weights": 1}}.items():
        buffer = io.BytesIO()
        torch.save(state, buffer)
        (tmp_path / name).write_bytes(buffer.getvalue())
        with pytest.raises(ModelError, match=name):
            load_checkpoint(tmp_path / name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_gpu_is_said(recipe, faces, tmp_path):
    with pytest.raises(CapabilityError, match="no CUDA device"):
        run_training(recipe, settings(faces, tmp_path, device="cuda"))


def test_crops_grow_and_everything_is_drawn_along_a_run(recipe, faces, tmp_path):
    values = recipe.to_dict()
    values["data"] |= {
        "stages": [{"start": 0.5, "hr_crop_px": 64, "batch_size": 1}],
        "varied_share": 0.5,
        "rescale_share": 0.5,
        "colour_share": 0.5,
        "soft_share": 0.5,
        "flat_share": 0.2,
    }
    done = run_training(recipe_from_dict(values), settings(faces, tmp_path / "run"))
    assert done.step == 6 and done.images_seen == 3 * 2 + 3 * 1
    assert all(bool(torch.isfinite(tensor).all()) for tensor in done.average.values())


def test_no_message_advises_to_unpickle_a_file(faces, recipe, tmp_path):
    picture = next((faces).rglob("*.png"))
    with pytest.raises(ModelError, match=r"\.png: not a checkpoint") as caught:
        run_training(recipe, settings(faces, tmp_path / "run", init=picture))
    assert "weights_only" not in str(caught.value)


def test_a_compiled_network_trains_to_the_same_weights(recipe, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "COMPILER", "eager")  # traced as for a compiler, of which none is needed
    plain = run_training(recipe, settings(faces, tmp_path / "plain"))
    compiled = run_training(recipe, settings(faces, tmp_path / "compiled", compiled=True))
    assert compiled.generator.keys() == plain.generator.keys()
    for name, tensor in plain.average.items():
        torch.testing.assert_close(compiled.average[name], tensor)


def test_a_network_that_cannot_be_compiled_is_said(recipe, faces, tmp_path, monkeypatch):
    def refuse(graph, inputs):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(loop, "COMPILER", refuse)
    with pytest.raises(CapabilityError, match="no compiler.*without --compile"):
        run_training(recipe, settings(faces, tmp_path, compiled=True))


@pytest.mark.parametrize("clock_steps", [4, 100])
def test_a_clock_that_is_read_now_and_then_counts_all_the_time(
    make_recipe, faces, tmp_path, monkeypatch, clock_steps
):
    monkeypatch.setattr(run_state, "_clock_steps", lambda device: clock_steps)
    recipe = make_recipe(steps=10**9, epoch_steps=10)

    clock = SimpleNamespace(perf_counter=lambda: loop_steps[0] / 10)
    loop_steps = [0]
    count = run_state.RunState.count

    def counted(self, loss, terms, batch_size):
        loop_steps[0] += 1
        count(self, loss, terms, batch_size)

    monkeypatch.setattr(run_state, "time", clock)
    monkeypatch.setattr(run_state.RunState, "count", counted)
    checkpoint = run_training(recipe, settings(faces, tmp_path, max_minutes=0.05))
    assert checkpoint.step == 30  # 3 seconds; the clock is also read where an epoch ends
    assert checkpoint.elapsed_s == pytest.approx(3.0)


def test_training_goes_on_without_tensorboard_and_says_so(recipe, faces, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    run_training(recipe, settings(faces, tmp_path))
    assert "tensorboard is not installed" in capsys.readouterr().err
    assert (tmp_path / "metrics.csv").is_file() and not (tmp_path / "tensorboard").exists()


def test_other_settings_of_the_recipe_are_not_resumed(recipe, faces, tmp_path):
    larger = changed(recipe, ["data.batch_size=4"])
    done = run_training(larger, settings(faces, tmp_path))
    assert done.images_seen == 24 and load_checkpoint(tmp_path / "last.ckpt").recipe == larger
    with pytest.raises(UsageError, match=r"the same recipe and --set.*data\.batch_size \(4, 2\)"):
        run_training(recipe, settings(faces, tmp_path, resume=True))
    run_training(larger, settings(faces, tmp_path, resume=True))


def test_an_optimiser_changes_over_to_another_kind_of_device():
    weight = torch.nn.Parameter(torch.ones(2))
    made = adam([weight], 0.1, (0.9, 0.99), torch.device("cpu"))
    state = made.state_dict()
    state["param_groups"][0]["fused"] = True  # as a GPU leaves it
    made.load_state_dict(state_for(state, torch.device("cpu")))
    assert made.param_groups[0]["fused"] is None
    assert state_for(state, torch.device("cuda"))["param_groups"][0]["fused"] is True
