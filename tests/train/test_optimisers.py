"""Groups of weights that learn at different rates."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from facesr_cli.errors import UsageError
from facesr_train.optimisers import SHARE, adam, parameter_groups, state_for
from facesr_train.recipe import recipe_from_dict
from facesr_train.session import TrainSettings, run_training

CPU = torch.device("cpu")


def test_groups_hold_every_trained_weight_once():
    network = nn.ModuleDict({"old": nn.Linear(2, 3), "new": nn.Linear(3, 1)})
    network["new"].bias.requires_grad_(False)
    fast, slow = parameter_groups(network, ["old."], 0.1)
    assert [id(weight) for weight in fast["params"]] == [id(network["new"].weight)]
    assert [id(weight) for weight in slow["params"]] == [id(weight) for weight in network["old"].parameters()]
    assert (fast[SHARE], slow[SHARE]) == (1.0, 0.1)
    assert [group[SHARE] for group in parameter_groups(network, [], 0.1)] == [1.0]


def test_the_state_of_an_optimiser_from_before_there_were_shares_has_one():
    weight = nn.Parameter(torch.zeros(2))
    state = adam([weight], 1e-3, (0.9, 0.99), CPU).state_dict()
    assert SHARE not in state["param_groups"][0]
    assert state_for(state, CPU)["param_groups"][0][SHARE] == 1.0


def test_slow_weights_move_less(make_recipe, faces, tmp_path):
    def moved(**optimiser):
        values = make_recipe(steps=3).to_dict()
        values["optimiser"] |= {"warmup_steps": 0, "ema_decay": 0.0} | optimiser
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        settings = TrainSettings(data=faces, out=out, device="cpu")
        return run_training(recipe_from_dict(values), settings)

    # With both groups all but still, the weights stay where the seed put them.
    start = moved(learning_rate=1e-12).generator["head.weight"]
    quick, slow = moved(), moved(slow=["head."], slow_ratio=0.01)
    way = [float((run.generator["head.weight"] - start).abs().max()) for run in (quick, slow)]
    assert 0 < way[1] < 0.05 * way[0]
    groups = slow.optimiser["param_groups"]
    assert [group[SHARE] for group in groups] == [1.0, 0.01]
    assert groups[1]["lr"] == pytest.approx(0.01 * groups[0]["lr"])
    with pytest.raises(UsageError, match=r"optimiser\.slow: no weight begins with 'neck'"):
        moved(slow=["neck"])
    for wrong in ({"slow": [""]}, {"slow": ["head."], "slow_ratio": 0.0}):
        with pytest.raises(ValueError, match=r"optimiser\.slow"):
            moved(**wrong)
