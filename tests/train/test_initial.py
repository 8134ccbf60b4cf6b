"""Runs that start from the weights of another, and files that cannot start one."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch

from facesr_cli.errors import ModelError, UsageError
from facesr_cli.model.info import read_model_info
from facesr_export.exporter import export_checkpoint
from facesr_train import run_state
from facesr_train.checkpoint import averaged_generator, build_generator, load_checkpoint
from facesr_train.generators.folding import folded
from facesr_train.initial import read_initial
from facesr_train.recipe import recipe_from_dict
from facesr_train.session import TrainSettings, run_training


def settings(faces, out, **changes):
    return dataclasses.replace(TrainSettings(data=faces, out=out, device="cpu"), **changes)


def test_a_run_may_start_from_the_weights_of_another(recipe, make_recipe, faces, tmp_path):
    first = run_training(recipe, settings(faces, tmp_path / "first"))
    exported = tmp_path / "first.onnx"
    export_checkpoint(tmp_path / "first" / "last.ckpt", exported)
    longer = make_recipe(steps=12)
    for start in (tmp_path / "first" / "last.ckpt", exported):
        out = tmp_path / start.suffix
        with pytest.MonkeyPatch.context() as patch:  # the state before the first step
            patch.setattr(run_state.RunState, "steps", lambda self: iter(()))
            patch.setattr(run_state.RunState, "share_done", 1.0)
            begun = run_training(longer, settings(faces, out, init=start))
        assert begun.step == 0
        for name, tensor in first.average.items():
            assert torch.equal(begun.average[name], tensor) and torch.equal(begun.generator[name], tensor)
    second = run_training(longer, settings(faces, tmp_path / "second", init=exported))
    assert second.initial.startswith("small 0.1.0 (sha256:") and second.step == 12
    third = tmp_path / "second.onnx"
    export_checkpoint(tmp_path / "second" / "last.ckpt", third)
    assert "started from small" in read_model_info(third).data


def test_a_folded_file_starts_its_network_in_training_form(recipe, faces, tmp_path):
    """What `export` wrote of such a network, or of a plain one of its size, can be trained further."""
    run_training(recipe, settings(faces, tmp_path / "plain"))
    branched = recipe.to_dict()
    branched["generator"]["kind"] = "half-resolution-reparameterised"
    further = recipe_from_dict(branched)
    run_training(further, settings(faces, tmp_path / "run", init=tmp_path / "plain" / "last.ckpt"))
    exported = tmp_path / "run.onnx"
    export_checkpoint(tmp_path / "run" / "last.ckpt", exported)
    again = run_training(further, settings(faces, tmp_path / "again", init=exported))
    assert again.initial.startswith("small 0.1.0 (sha256:")
    plain = folded(averaged_generator(load_checkpoint(tmp_path / "run" / "last.ckpt"))).state_dict()
    network = build_generator(further)
    network.load_state_dict(read_initial(exported, further).weights)
    started = read_initial(tmp_path / "run" / "last.ckpt", recipe).weights
    for name, value in network.fold().state_dict().items():
        torch.testing.assert_close(value, plain[name])
        torch.testing.assert_close(started[name], plain[name])
    back = run_training(recipe, settings(faces, tmp_path / "back", init=tmp_path / "run" / "last.ckpt"))
    assert back.initial.startswith("small ") and "itself from small" in back.initial


@pytest.mark.parametrize("kind", ["half-resolution", "half-resolution-reparameterised"])
def test_a_larger_network_starts_from_a_smaller_one(kind, recipe, faces, tmp_path):
    def sized(**changes):
        values = recipe.to_dict()
        values["generator"] |= {"kind": kind} | changes
        return recipe_from_dict(values)

    shallow, deep, checkpoint = sized(), sized(blocks=3), tmp_path / "run" / "last.ckpt"
    wide, both = sized(channels=12), sized(blocks=3, channels=12)
    run_training(shallow, settings(faces, tmp_path / "run"))
    exported = tmp_path / "run.onnx"
    export_checkpoint(checkpoint, exported)
    image = torch.rand(1, 3, 16, 12)
    with torch.no_grad():
        expected = averaged_generator(load_checkpoint(checkpoint))(image)
        for start, larger in itertools.product((checkpoint, exported), (deep, wide, both)):
            network = build_generator(larger)
            network.load_state_dict(read_initial(start, larger).weights)
            torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-5)
    carried = read_initial(checkpoint, deep).weights
    for name, value in load_checkpoint(checkpoint).average.items():
        assert torch.equal(carried[name], value), "branches that were trained stay"
    begun = run_training(deep, settings(faces, tmp_path / "deep", init=exported))
    assert begun.initial.startswith("small 0.1.0 (sha256:") and begun.initial.endswith(", 2 blocks added")
    begun = run_training(both, settings(faces, tmp_path / "both", init=exported))
    assert begun.initial.endswith(", 4 channels added, 2 blocks added")
    with pytest.raises(ModelError, match=r"run\.onnx: is another network"):
        run_training(sized(blocks=3, channels=4), settings(faces, tmp_path / "narrow", init=exported))
    with pytest.raises(
        ModelError, match=r"last\.ckpt: has 3 blocks and recipe small 1; set generator\.blocks"
    ):
        run_training(shallow, settings(faces, tmp_path / "cut", init=tmp_path / "deep" / "last.ckpt"))


def test_a_second_scale_is_added_at_the_start_of_a_run_and_never_dropped(recipe, faces, tmp_path):
    run_training(recipe, settings(faces, tmp_path / "run"))
    values = recipe.to_dict()
    values["generator"] = {
        **values["generator"],
        **{"kind": "half-resolution-two-scale", "coarse_channels": 8, "coarse_blocks": 1, "joins": 1},
    }
    values["optimiser"] |= {"slow": ["head.", "body.", "tail.", "skip."], "slow_ratio": 0.1}
    two = recipe_from_dict(values)
    begun = run_training(two, settings(faces, tmp_path / "two", init=tmp_path / "run" / "last.ckpt"))
    assert begun.initial.endswith(", a second scale added")
    exported = tmp_path / "two.onnx"
    export_checkpoint(tmp_path / "two" / "last.ckpt", exported)
    assert read_model_info(exported).multiple == 4
    again = run_training(two, settings(faces, tmp_path / "again", init=exported))
    assert "second scale" not in again.initial
    for start in (exported, tmp_path / "two" / "last.ckpt"):
        with pytest.raises(ModelError, match=r"is another network than .* coarse\."):
            read_initial(start, recipe)


def test_weights_of_another_network_and_contradictions_are_refused(recipe, faces, tmp_path):
    run_training(recipe, settings(faces, tmp_path / "run"))
    checkpoint = tmp_path / "run" / "last.ckpt"
    narrower = recipe.to_dict()
    narrower["generator"] |= {"channels": 4}
    with pytest.raises(ModelError, match=r"last\.ckpt: is another network .* recipe"):
        run_training(recipe_from_dict(narrower), settings(faces, tmp_path / "narrower", init=checkpoint))
    assert not (tmp_path / "narrower").exists()
    with pytest.raises(ModelError, match="no such"):
        run_training(recipe, settings(faces, tmp_path / "other", init=tmp_path / "none.onnx"))
    with pytest.raises(UsageError, match="--init"):
        run_training(recipe, settings(faces, tmp_path / "run", init=checkpoint, resume=True))
