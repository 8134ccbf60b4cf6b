from __future__ import annotations

import pytest
from click.testing import CliRunner

from facesr_cli.cli import cli
from facesr_cli.errors import UsageError
from facesr_train.changes import changed, differences
from facesr_train.generators import GENERATORS
from facesr_train.generators.cost import cost
from facesr_train.recipe import load_recipe


def test_values_are_replaced_and_the_digest_follows():
    base = load_recipe("face-x2")
    recipe = changed(
        base,
        [
            "data.batch_size=64",
            "optimiser.learning_rate = 1e-3",
            "data.stages.0.batch_size=32",
            "loss.1.weight=20",
            "data.degradations.paper=0.3",
            'name="face-x2-large-batches"',
        ],
    )
    assert (recipe.data.batch_size, recipe.optimiser.learning_rate) == (64, 1e-3)
    assert recipe.data.stages[0].batch_size == 32 and recipe.losses[1].weight == 20
    assert recipe.data.degradations["paper"] == 0.3
    assert recipe.name == "face-x2-large-batches"
    assert recipe.digest != base.digest and changed(base, []) == base == load_recipe("face-x2")
    assert changed(base, ["data.stages=[]"]).data.stages == ()
    assert "data.batch_size (8, 64)" in differences(base, recipe)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.batch=64", "unknown key data.batch"),
        ("data.batch_size", "is not KEY=VALUE"),
        ("=64", "is not KEY=VALUE"),
        ("data..batch_size=64", "is not KEY=VALUE"),
        ("data.batch_size=many", "the value is not TOML.*needs quotes"),
        ("data.batch_size=0", "at least 1"),
        ("data.batch_size=1.5", "must be int"),
        ("data.batch_size=8\nname='other'", "more than one value"),
        ("data.batch_size.mean=8", "data.batch_size is a value"),
        ("batches=64", "unknown key batches"),
        ("data.stages.1.batch_size=8", "the list has 1 elements"),
        ("loss.first.weight=8", "the list has 2 elements"),
        ("adversarial.weight=1", "the recipe has no adversarial"),
    ],
)
def test_mistakes_are_wrong_usage(setting, message):
    with pytest.raises(UsageError, match=message):
        changed(load_recipe("face-x2"), [setting])


def test_the_command_line_takes_settings(tmp_path):
    out = tmp_path / "run"
    arguments = ["train", "face-x2", "--data", str(tmp_path), "--out", str(out), "--set", "data.batch=8"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2 and "unknown key data.batch" in result.output
    assert not out.exists()


def test_the_large_network_keeps_to_its_cost():
    recipe = load_recipe("face-x2-hq")
    figures = cost(GENERATORS[recipe.generator_kind][1](recipe.generator), 512, 512)
    assert figures.gflop == pytest.approx(937, abs=1) and figures.parameters == 7_158_512


def test_the_network_for_two_cores_leaves_room_for_four_mirrorings():
    recipe = load_recipe("face-x2-hq", preset="cpu")
    figures = cost(GENERATORS[recipe.generator_kind][1](recipe.generator), 512, 512)
    assert 4 * figures.gflop == pytest.approx(639, abs=1) and figures.parameters == 1_221_552
