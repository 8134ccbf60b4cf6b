"""Whole runs of a few steps with networks that have normalisation, attention or several outputs."""

from __future__ import annotations

import pytest
import torch

from facesr_train.checkpoint import averaged_generator, build_generator
from facesr_train.initial import read_initial
from facesr_train.recipe import recipe_from_dict
from facesr_train.session import TrainSettings, run_training


def with_generator(recipe, generator, losses=(), adversarial=None):
    values = recipe.to_dict() | {"generator": generator}
    values["loss"] += [{"kind": "l1", "on": name} for name in losses]
    if adversarial is not None:
        values["discriminator"] = {"kind": "patch", "channels": 4, "halvings": 2}
        values["adversarial"] = {"kind": "relativistic-average", "weight": 0.01, "judges": [adversarial]}
    return recipe_from_dict(values)


@pytest.mark.parametrize(
    ("generator", "losses", "judged"),
    [
        ({"kind": "paper", "widths": [4, 8], "tail_widths": [4]}, (), None),
        ({"kind": "srresnet", "channels": 4, "blocks": 1}, (), "image"),
        ({"kind": "rrdb", "channels": 4, "growth": 2, "blocks": 1, "attention": "eca"}, (), None),
        (
            {"kind": "eegan", "channels": 4, "blocks": 1, "edge_blocks": 1},
            ("base", "enhanced_edges"),
            "base",
        ),
        ({"kind": "msg", "channels": 4}, ("half", "quarter"), "half"),
        ({"kind": "srcnn", "widths": [4, 4]}, (), None),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_run_ends_with_a_network_that_can_be_used(recipe, faces, tmp_path, generator, losses, judged):
    recipe = with_generator(recipe, generator, losses, judged)
    last = run_training(recipe, TrainSettings(data=faces, out=tmp_path, device="cpu"))
    assert all(bool(value.isfinite().all()) for value in last.generator.values())
    averaged = averaged_generator(last)
    assert not averaged.training
    assert averaged(torch.rand(1, 3, 8, 12)).shape == (1, 3, 16, 24)


def test_the_second_stage_starts_from_the_first(recipe, faces, tmp_path):
    """SRGAN from SRResNet: all weights and statistics are those of the checkpoint, bit for bit."""
    generator = {"kind": "srresnet", "channels": 4, "blocks": 1}
    first = with_generator(recipe, generator)
    last = run_training(first, TrainSettings(data=faces, out=tmp_path, device="cpu"))
    second = with_generator(recipe, generator, adversarial="image")
    network = build_generator(second)
    network.load_state_dict(read_initial(tmp_path / "last.ckpt", second).weights, strict=True)
    for name, value in network.state_dict().items():
        assert torch.equal(value, last.average[name]), name
    assert bool((network.state_dict()["gather.1.running_mean"] != 0).any())
