"""The adversarial game: its losses, its discriminators, and whole runs with both sides."""

from __future__ import annotations

import csv
import math

import pytest
import torch

from facesr_train.checkpoint import load_checkpoint
from facesr_train.discriminators import DISCRIMINATORS
from facesr_train.losses.adversarial import GAMES, r1_penalty
from facesr_train.recipe import recipe_from_dict
from facesr_train.session import TrainSettings, run_training


@pytest.mark.parametrize(("kind", "expected"), [("bce", 2), ("relativistic", 1), ("relativistic-average", 1)])
def test_undecided_logits_cost_log_2_for_each_verdict(kind, expected):
    logits = torch.full((2, 1, 3, 3), 0.7 if kind != "bce" else 0.0)
    assert float(GAMES[kind].discriminator(logits, logits)) == pytest.approx(expected * math.log(2))
    assert float(GAMES[kind].generator(logits, logits)) == pytest.approx(math.log(2))


def test_bce_is_the_cross_entropy_of_probabilities():
    real, fake = torch.randn(2, 4, 1).double()
    ones = torch.ones_like(real)
    bce = torch.nn.functional.binary_cross_entropy
    expected = bce(real.sigmoid(), ones) + bce(fake.sigmoid(), 0 * ones)
    torch.testing.assert_close(GAMES["bce"].discriminator(real, fake), expected)
    torch.testing.assert_close(GAMES["bce"].generator(real, fake), bce(fake.sigmoid(), ones))


RELATIVISTIC = [kind for kind in GAMES if kind.startswith("relativistic")]


@pytest.mark.parametrize("kind", RELATIVISTIC)
def test_relativistic_games_know_differences_only(kind):
    game = GAMES[kind]
    real, fake = torch.randn(2, 4, 1)
    torch.testing.assert_close(game.discriminator(real + 3, fake + 3), game.discriminator(real, fake))
    torch.testing.assert_close(game.generator(fake, real), game.discriminator(real, fake))


@pytest.mark.parametrize("kind", sorted(set(GAMES) - {"margin"}))
def test_the_generators_gradient_reaches_the_reconstruction_alone(kind):
    real = torch.randn(2, 1).requires_grad_()
    fake = (torch.randn(2, 1) - 5).requires_grad_()
    GAMES[kind].generator(real, fake).backward()
    assert real.grad is None
    assert bool((fake.grad < 0).all()), "a more convincing reconstruction costs less"


@pytest.mark.parametrize(
    ("kind", "own_term"),
    [
        ("relativistic-average", lambda fake: torch.nn.functional.softplus(-fake).mean() / 2),
        ("relativistic-average-least-squares", lambda fake: (fake - 1).square().mean() / 2),
    ],
)
def test_the_verdict_on_originals_reaches_the_reconstruction_too(kind, own_term):
    """Through the average that originals are compared with: at equal logits it doubles the gradient."""
    real, fake = torch.zeros(3, 1), torch.zeros(3, 1, requires_grad=True)
    (both,) = torch.autograd.grad(GAMES[kind].generator(real, fake), fake)
    (own,) = torch.autograd.grad(own_term(fake), fake)
    torch.testing.assert_close(both, 2 * own)


@pytest.mark.parametrize(
    ("kind", "discriminator", "generator"),
    [
        ("least-squares", (0.5**2 + 0.25**2) / 2, 0.75**2 / 2),
        ("relativistic-average-least-squares", 0.75**2, 1.25**2),
        ("charbonnier", 0.5 + 1.25, 0.75),
    ],
)
def test_games_with_targets_by_hand(kind, discriminator, generator):
    """All originals are given 0.5 and all reconstructions 0.25."""
    real, fake = torch.full((2, 1), 0.5).double(), torch.full((2, 1), 0.25).double()
    assert float(GAMES[kind].discriminator(real, fake)) == pytest.approx(discriminator, abs=2e-3)
    assert float(GAMES[kind].generator(real, fake)) == pytest.approx(generator, abs=2e-3)


def test_charbonnier_wants_1_and_minus_1():
    real, fake = torch.ones(2, 1, 2, 2), -torch.ones(2, 1, 2, 2)
    assert float(GAMES["charbonnier"].discriminator(real, fake)) == pytest.approx(0, abs=1e-6)
    assert float(GAMES["charbonnier"].generator(fake, real)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("kind", "label"), [("bce-noisy", 0.95), ("bce-noisy-authors", 1.0)])
def test_noisy_labels_lie_where_they_should(kind, label):
    """The loss is linear in the label: its mean tells the mean label, its spread that they are drawn."""
    torch.manual_seed(0)
    real, fake = torch.full((100, 1, 20, 20), 2.0), torch.full((100, 1, 20, 20), -1.0)
    softplus = torch.nn.functional.softplus
    expected = softplus(real).mean() - 2.0 * label + softplus(fake).mean() + 0.15
    first, second = (GAMES[kind].discriminator(real, fake) for _ in range(2))
    assert float(first) == pytest.approx(float(expected), abs=5e-3) and not torch.equal(first, second)
    clean = torch.nn.functional.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
    torch.testing.assert_close(GAMES[kind].generator(real, fake), clean)


def test_margin_of_two_lengths_by_hand():
    undecided = torch.full((3, 2), 0.5)
    one_side = 0.4**2 + 0.5 * 0.4**2
    assert float(GAMES["margin"].discriminator(undecided, undecided)) == pytest.approx(2 * one_side)
    sure = torch.tensor([[0.95, 0.05]])
    assert float(GAMES["margin"].discriminator(sure, sure.flip(1))) == 0
    assert float(GAMES["margin"].generator(undecided, sure)) == 0
    real, fake = undecided.clone().requires_grad_(), undecided.clone().requires_grad_()
    GAMES["margin"].generator(real, fake).backward()
    assert real.grad is None
    assert bool((fake.grad[:, 0] < 0).all()) and bool((fake.grad[:, 1] > 0).all())


def test_margin_refuses_logits():
    with pytest.raises(ValueError, match="two_class"):
        GAMES["margin"].discriminator(torch.zeros(2, 1), torch.zeros(2, 1))


def test_r1_of_a_linear_judge_is_half_the_squared_weight():
    picture, weight = torch.rand(5, 3, 4, 4, requires_grad=True), torch.randn(3, 4, 4)
    logits = (picture * weight).sum((1, 2, 3))[:, None]
    torch.testing.assert_close(r1_penalty(logits, picture), weight.square().sum() / 2)


@pytest.mark.parametrize(("kind", "shape"), [("patch", (2, 1, 4, 6)), ("unet", (2, 1, 32, 48))])
def test_discriminators_give_logits_for_patches_or_pixels(kind, shape):
    config, make = DISCRIMINATORS[kind]
    network = make(config(channels=4))
    assert network(torch.rand(2, 3, 32, 48)).shape == shape


@pytest.mark.parametrize(("halvings", "reach"), [(2, 28), (3, 56)])
def test_a_patch_verdict_sees_as_much_as_is_written(halvings, reach):
    config, make = DISCRIMINATORS["patch"]
    picture = torch.rand(1, 3, 128, 128, requires_grad=True)
    logits = make(config(channels=2, halvings=halvings))(picture)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    touched = picture.grad.abs().sum(1)[0].amax(0).nonzero()
    assert int(touched.max() - touched.min()) + 1 == reach


def adversarial(recipe, **changes):
    values = recipe.to_dict()
    values["discriminator"] = {"kind": "patch", "channels": 4, "halvings": 2}
    values["adversarial"] = {
        "kind": "relativistic",
        "weight": 0.01,
        "r1_weight": 1.0,
        "r1_every": 2,
    } | changes
    values["loss"].append({"kind": "low-frequency", "block_px": 4, "weight": 2})
    return recipe_from_dict(values)


def test_a_run_trains_both_sides_and_resumes_exactly(recipe, make_recipe, faces, tmp_path):
    both = adversarial(recipe)
    assert recipe_from_dict(both.to_dict()) == both
    whole = run_training(both, TrainSettings(data=faces, out=tmp_path / "whole", device="cpu"))
    assert not (tmp_path / "whole" / "best.ckpt").exists(), "PSNR does not choose among adversarial states"
    with (tmp_path / "whole" / "metrics.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    names = ("charbonnier-0", "low-frequency-1", "adversarial", "discriminator")
    assert all(float(row[f"loss/{name}"]) > 0 for name in names)

    begun = adversarial(make_recipe(steps=3))
    run_training(begun, TrainSettings(data=faces, out=tmp_path / "parts", device="cpu"))
    # The shorter run's rates differ, so the states agree only where the longer one is stopped half-way.
    half = load_checkpoint(tmp_path / "parts" / "last.ckpt")
    assert half.adversary["network"].keys() == whole.adversary["network"].keys()

    class Stop(Exception):  # noqa: N818
        pass

    def interrupt(self, report):
        raise Stop

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr("facesr_train.session._Reporter.epoch", interrupt)
        run_training(both, TrainSettings(data=faces, out=tmp_path / "cut", device="cpu"))
    resumed = run_training(both, TrainSettings(data=faces, out=tmp_path / "cut", device="cpu", resume=True))
    for name, tensor in whole.generator.items():
        assert torch.equal(tensor, resumed.generator[name]), name
    for name, tensor in whole.adversary["network"].items():
        assert torch.equal(tensor, resumed.adversary["network"][name]), name


def test_the_game_may_begin_later(recipe, faces, tmp_path):
    late = adversarial(recipe, start=0.5)
    run_training(late, TrainSettings(data=faces, out=tmp_path, device="cpu"))
    with (tmp_path / "metrics.csv").open() as file:
        first, second = csv.DictReader(file)
    assert float(first["loss/discriminator"]) == 0 < float(second["loss/discriminator"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adversarial": None}, "belong together"),
        ({"discriminator": None}, "belong together"),
        ({"discriminator": {"kind": "oracle"}}, "there are patch"),
        ({"adversarial": {"kind": "chess", "weight": 1.0}}, "there are bce"),
        ({"adversarial": {"kind": "bce", "weight": 0.0}}, "weight > 0"),
        ({"adversarial": {"kind": "bce", "weight": 1.0, "judges": ["edges"]}}, "no output 'edges'"),
        ({"loss": [{"kind": "charbonnier", "on": "base"}]}, "no output 'base'"),
        ({"loss": [{"kind": "low-frequency", "block_px": 1}]}, "at least 2"),
        ({"loss": [{"kind": "charbonnier", "block_px": 4}]}, "unknown key loss charbonnier.block_px"),
    ],
)
def test_contradictions_are_refused(recipe, change, message):
    values = adversarial(recipe).to_dict() | change
    with pytest.raises(ValueError, match=message):
        recipe_from_dict({key: value for key, value in values.items() if value is not None})


def test_an_average_over_one_picture_is_refused(recipe):
    values = adversarial(recipe, kind="relativistic-average").to_dict()
    values["data"]["batch_size"] = 1
    with pytest.raises(ValueError, match="batches of 2 or more"):
        recipe_from_dict(values)
