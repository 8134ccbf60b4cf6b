from __future__ import annotations

from copy import deepcopy

import pytest

from facesr_cli.errors import UsageError
from facesr_train.recipe import load_recipe, recipe_from_dict, shipped_recipes

SHIPPED = shipped_recipes()


@pytest.mark.parametrize("recipe", SHIPPED, ids=lambda recipe: recipe.name)
def test_every_shipped_recipe_reads_back_equal(recipe):
    again = recipe_from_dict(recipe.to_dict())
    assert again == recipe
    assert again.digest == recipe.digest
    assert recipe.summary
    assert recipe.source


def test_the_default_network_has_a_recipe():
    assert set(load_recipe("face-x2").data.degradations) == {"paper", "bicubic", "real"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("data", "hr_crop"), 96, "unknown key data.hr_crop"),
        (("data", "hr_crop_px"), 90, "multiple of 32"),
        (("data", "batch_size"), 1.5, "must be int"),
        (("data", "batch_size"), 0, "at least 1"),
        (("data", "sharp_share"), 2, "0..1"),
        (("data", "degradations"), {"blurry": 1.0}, "unknown blurry"),
        (("data", "degradations"), {}, "at least one degradation"),
        (("data", "varied_share"), 1.5, "varied_share must lie in 0..1"),
        (("data", "stages"), {"start": 0.5}, "list of tables"),
        (("data", "stages"), [{"start": 0.5, "crop": 64}], "unknown key data.stages.crop"),
        (("data", "stages"), [{"start": 0.5, "hr_crop_px": 90, "batch_size": 2}], "multiple of 32"),
        (("data", "stages"), [{"start": 0.0, "hr_crop_px": 96, "batch_size": 2}], "between 0 and 1"),
        (
            ("data", "stages"),
            [{"start": start, "hr_crop_px": 96, "batch_size": 2} for start in (0.7, 0.5)],
            "in the order of their start",
        ),
        (("generator", "kind"), "transformer", "there are half-resolution"),
        (("generator", "kind"), "half-resolution-swin", "there are half-resolution, .*half-resolution-span"),
        (("generator", "depth"), 3, "unknown key generator.depth"),
        (("generator", "kernel_px"), 7, "unknown key generator.kernel_px"),
        (("loss",), [{"kind": "l3"}], "loss.kind is 'l3'"),
        (("loss",), [{"kind": "l1", "start": 0.5, "end": 0.2}], "start < end"),
        (("loss",), [], r"\[\[loss\]\]"),
        (("loss",), {"kind": "l1"}, "list of tables"),
        (("loss",), [{"kind": "l1", "end": 0.85}], "no .*loss.* counts at 85%"),
        (("data", "degradations"), ["paper"], "must be a table"),
        (("data",), ["paper"], "data must be a table"),
        (("optimiser", "learning_rate"), -4e-4, "must be positive"),
        (("optimiser", "ema_decay"), 2.0, "ema_decay must lie in"),
        (("run", "steps"), 0, "at least 1"),
        (("run", "validation_crop_px"), 100, "multiple of 32"),
        (("colour",), "blue", "unknown key colour"),
    ],
)
def test_mistakes_are_named(path, value, message):
    values = deepcopy(load_recipe("face-x2").to_dict())
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        recipe_from_dict(values)


@pytest.mark.parametrize(
    "generator",
    [
        {"kind": "half-resolution-reparameterised", "channels": 16, "blocks": 2, "expansion": 3},
        {"kind": "half-resolution-span", "channels": 16, "blocks": 2},
        {"kind": "half-resolution-large-kernel", "channels": 8, "blocks": 3, "kernel_px": 5, "expansion": 4},
    ],
    ids=lambda generator: generator["kind"],
)
def test_every_block_can_be_chosen(generator):
    recipe = recipe_from_dict(load_recipe("face-x2").to_dict() | {"generator": generator})
    assert recipe.to_dict()["generator"] == generator
    assert recipe_from_dict(recipe.to_dict()) == recipe


def test_unknown_names_and_files_are_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="no recipe 'nonsense'; there are .*face-x2"):
        load_recipe("nonsense")
    with pytest.raises(UsageError, match="no such recipe file"):
        load_recipe(str(tmp_path / "missing.toml"))
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(UsageError, match=r"latin\.toml: cannot be read"):
        load_recipe(str(tmp_path / "latin.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(UsageError, match=r"broken\.toml"):
        load_recipe(str(broken))


def test_losses_count_in_their_part_of_the_run():
    values = load_recipe("face-x2").to_dict()
    values["loss"] = [{"kind": "l1", "end": 0.8}, {"kind": "mse", "start": 0.8}]
    first, second = recipe_from_dict(values).losses
    assert [first.active(share) for share in (0.0, 0.79, 0.8, 1.0)] == [True, True, False, False]
    assert [second.active(share) for share in (0.0, 0.79, 0.8, 1.0)] == [False, False, True, True]


def test_crops_change_along_the_run():
    values = load_recipe("face-x2").to_dict()
    values["data"] |= {
        "hr_crop_px": 96,
        "batch_size": 8,
        "stages": [
            {"start": 0.6, "hr_crop_px": 128, "batch_size": 4},
            {"start": 0.9, "hr_crop_px": 192, "batch_size": 2},
        ],
    }
    recipe = recipe_from_dict(values)
    assert recipe_from_dict(recipe.to_dict()) == recipe
    assert [recipe.data.crops_at(share) for share in (0.0, 0.59, 0.6, 0.95, 1.0)] == [
        (96, 8),
        (96, 8),
        (128, 4),
        (192, 2),
        (192, 2),
    ]
    assert recipe.data.largest_crop_px == 192


def test_options_that_a_recipe_does_not_use_leave_its_digest():
    values = load_recipe("face-x2").to_dict()
    digest = recipe_from_dict(values).digest
    del values["data"]["max_side_px"]
    assert recipe_from_dict(values).digest == digest
    values["data"]["max_side_px"] = 512
    assert recipe_from_dict(values).digest != digest


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "msg-capsgan",
            {"discriminator": {"capsules": "two_class"}},
            "reads logits, and this discriminator gives",
        ),
        (
            "msg-capsgan",
            {"adversarial": {"kind": "margin"}},
            "reads lengths, and this discriminator gives logits",
        ),
        ("srgan", {"discriminator": {"crop_px": 64}}, "made for crops of 64 px and will be given 128"),
        (
            "srgan",
            {"data": {"stages": [{"start": 0.5, "hr_crop_px": 192, "batch_size": 4}]}},
            "made for crops of 128 px and will be given 192",
        ),
        (
            "srgan",
            {"discriminator": {"pooling": "average", "crop_px": 256}},
            "made for crops of 256 px or more and will be given 128",
        ),
        ("msg-capsgan", {"adversarial": {"judges": ["image"]}}, "judges 3 at a time"),
        ("eegan", {"adversarial": {"judges": ["base", "image"]}}, "judges 1 at a time"),
        ("ragan-face", {"data": {"batch_size": 1}}, "batches of 2"),
    ],
)
def test_a_game_that_cannot_be_played_is_refused_at_once(name, changes, message):
    values = load_recipe(name).to_dict()
    for section, entries in changes.items():
        values[section] |= entries
    with pytest.raises(ValueError, match=message):
        recipe_from_dict(values)


def test_crops_before_the_game_may_have_another_size():
    values = load_recipe("srgan").to_dict()
    values["data"] |= {"hr_crop_px": 96, "stages": [{"start": 0.5, "hr_crop_px": 128, "batch_size": 16}]}
    assert recipe_from_dict(values).data.crops_at(0.5) == (128, 16)


def test_a_pooling_discriminator_takes_crops_of_any_size():
    values = load_recipe("srgan").to_dict()
    values["discriminator"] |= {"pooling": "average"}
    values["data"] |= {"stages": [{"start": 0.5, "hr_crop_px": 192, "batch_size": 4}]}
    assert recipe_from_dict(values).data.largest_crop_px == 192
