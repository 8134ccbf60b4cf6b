"""The discriminators of the reviewed papers: sizes, shapes, and what makes each what it is."""

from __future__ import annotations

import csv
import math

import pytest
import torch
from torch import nn

from facesr_train.discriminators import DISCRIMINATORS
from facesr_train.discriminators.capsule import CapsuleConfig
from facesr_train.discriminators.capsules import Routing, squash
from facesr_train.losses.adversarial import GAMES
from facesr_train.recipe import recipe_from_dict
from facesr_train.session import TrainSettings, run_training

SMALL_PX = 80


def made(kind: str, **options) -> nn.Module:
    config, make = DISCRIMINATORS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(config(**options))


def three(count: int = 2) -> list[torch.Tensor]:
    """Pictures for a small capsule discriminator, largest first."""
    return [torch.rand(count, 3, SMALL_PX // part, SMALL_PX // part) for part in (1, 2, 4)]


@pytest.mark.parametrize(
    ("kind", "options", "parameters"),
    [
        ("paper", {}, 74_548),
        ("paper", {"last_norm": True}, 74_554),
        ("vgg", {"style": "srgan", "crop_px": 96}, 23_565_505),
        ("vgg", {"style": "esrgan", "crop_px": 128}, 14_499_401),
        ("capsule", {"capsules": "routing"}, 16_087_953),
    ],
)
def test_parameters_are_those_of_the_specification(kind, options, parameters):
    with torch.device("meta"):
        network = made(kind, **options)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("kind", "options", "side_px", "shape"),
    [
        ("paper", {}, 1024, (2, 1)),
        ("paper", {}, 96, (2, 1)),
        ("paper", {"norm": "conditional"}, 96, (2, 1)),
        ("vgg", {"style": "srgan", "crop_px": 96}, 96, (2, 1)),
        ("vgg", {"style": "esrgan", "crop_px": 128}, 128, (2, 1)),
        ("vgg", {"style": "esrgan", "crop_px": 32, "pooling": "average"}, 296, (2, 1)),
        ("gap", {}, 96, (2, 1)),
    ],
)
def test_verdicts_of_full_sizes(kind, options, side_px, shape):
    with torch.device("meta"):
        assert made(kind, **options)(torch.rand(2, 3, side_px, side_px)).shape == shape


@pytest.mark.parametrize("kind", ["vgg", "gap"])
def test_gradients_reach_the_picture(kind):
    options = {"channels": 4, "crop_px": 32} if kind == "vgg" else {"channels": 4, "hidden": 8}
    picture = torch.rand(2, 3, 32, 32, requires_grad=True)
    made(kind, **options)(picture).sum().backward()
    assert bool((picture.grad.abs().sum((1, 2, 3)) > 0).all())


def test_the_papers_blocks_halve_to_16():
    shapes = []
    with torch.device("meta"):
        network = made("paper")
        for block in network.blocks:
            block.register_forward_hook(lambda *call: shapes.append(tuple(call[2].shape[1:])))
        network(torch.rand(1, 3, 1024, 1024))
    assert shapes == [(12, 512, 512), (48, 256, 256), (72, 128, 128), (48, 64, 64), (12, 32, 32), (3, 16, 16)]


def test_the_papers_sigmoid_is_in_the_game():
    network = made("paper").eval().requires_grad_(False)
    real, fake = network(torch.rand(3, 3, 64, 64)), network(torch.rand(3, 3, 64, 64))
    assert bool(((real.sigmoid() > 0) & (real.sigmoid() < 1)).all())
    bce = nn.functional.binary_cross_entropy
    ones = torch.ones_like(real)
    expected = bce(real.sigmoid(), ones) + bce(fake.sigmoid(), 0 * ones)
    assert float(GAMES["bce"].discriminator(real, fake)) == pytest.approx(float(expected), abs=1e-6)


def test_the_paper_drops_channels_in_training_only():
    network, picture = made("paper", norm="none"), torch.rand(2, 3, 64, 64)
    assert not torch.equal(network(picture), network(picture))
    network.eval()
    assert torch.equal(network(picture), network(picture))


def test_conditional_normalisation_begins_as_the_plain_one_and_listens():
    plain, conditional = made("paper"), made("paper", norm="conditional")
    conditional.load_state_dict(plain.state_dict(), strict=False)
    plain.eval(), conditional.eval()
    picture = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(conditional(picture), plain(picture))
    conditional(picture).sum().backward()
    heads = [block.modulation for block in conditional.blocks if block.modulation is not None]
    assert len(heads) == 4 and all(float(head.weight.grad.abs().sum()) > 0 for head in heads)


@pytest.mark.parametrize("style", ["srgan", "esrgan"])
def test_pooling_changes_nothing_at_the_size_of_the_dense_layer(style):
    plain = made("vgg", style=style, channels=4, crop_px=64).eval()
    pooled = made("vgg", style=style, channels=4, crop_px=64, pooling="average").eval()
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(pooled(picture), plain(picture))
    assert pooled(torch.rand(1, 3, 96, 160)).shape == (1, 1)
    with pytest.raises(ValueError, match="crop_px"):
        plain(torch.rand(1, 3, 96, 96))


def test_squash_keeps_the_direction_and_bounds_the_length():
    vectors = 100 * torch.randn(50, 16)
    squashed = squash(vectors)
    assert bool((squashed.norm(dim=1) < 1).all())
    assert bool((torch.cosine_similarity(squashed, vectors) > 0.9999).all())
    zero = torch.zeros(2, 16, requires_grad=True)
    squash(zero).sum().backward()
    assert bool((squash(zero) == 0).all()) and bool(zero.grad.isfinite().all())


def test_routing_is_three_rounds_of_shares():
    routing, rounds = Routing(20, 8, 10, 16, rounds=3), []
    routing.coupling.register_forward_hook(lambda *call: rounds.append(call[2]))
    outcome = routing(torch.randn(2, 20, 8))
    assert outcome.shape == (2, 10, 16) and bool((outcome.norm(dim=2) < 1).all())
    assert len(rounds) == 3
    for shares in rounds:
        torch.testing.assert_close(shares.sum(2), torch.ones(2, 20))
    torch.testing.assert_close(rounds[0], torch.full((2, 20, 10), 0.1))
    assert not torch.allclose(rounds[2], rounds[0])


def test_routing_prefers_what_agrees():
    """Two capsules predict alike for the first next capsule and against each other for the second."""
    routing = Routing(2, 1, 2, 2, rounds=3)
    alike, apart = torch.tensor([4.0, 0.0]), torch.tensor([0.0, 4.0])
    with torch.no_grad():
        routing.weight.copy_(
            torch.stack([torch.stack([alike, apart]), torch.stack([alike, -apart])])[..., None]
        )
    shares = []
    routing.coupling.register_forward_hook(lambda *call: shares.append(call[2]))
    routing(torch.ones(1, 2, 1))
    assert bool((shares[-1][0, :, 0] > 0.9).all())


@pytest.mark.parametrize(
    ("capsules", "shape"), [("authors", (2, 1, 25, 25)), ("routing", (2, 1, 25, 25)), ("two_class", (2, 2))]
)
def test_capsules_judge_all_three_pictures(capsules, shape):
    network, pictures = made("capsule", capsules=capsules, channels=8, crop_px=SMALL_PX), three()
    verdicts = network(*(picture.requires_grad_() for picture in pictures))
    assert verdicts.shape == shape
    # Half of the verdicts: their sum hardly moves where a batch is normalised.
    verdicts[..., 0].sum().backward()
    assert all(float(picture.grad.abs().sum()) > 0 for picture in pictures)
    network.eval()
    for changed in range(3):
        others = [1 - picture if place == changed else picture for place, picture in enumerate(pictures)]
        assert not torch.allclose(network(*others), network(*pictures), rtol=0, atol=1e-9)


def test_two_classes_are_two_capsules_of_16():
    network, seen = made("capsule", capsules="two_class", channels=8, crop_px=SMALL_PX), []
    network.verdict.routing.register_forward_hook(lambda *call: seen.append(call[2]))
    lengths = network(*three())
    assert seen[0].shape == (2, 2, 16)
    torch.testing.assert_close(lengths, seen[0].norm(dim=2))


@pytest.mark.parametrize("capsules", ["authors", "routing", "two_class"])
def test_a_variant_says_which_games_can_read_it(capsules):
    readable = {
        name for name, game in GAMES.items() if game.verdicts == CapsuleConfig(capsules=capsules).verdicts
    }
    assert readable == ({"margin"} if capsules == "two_class" else set(GAMES) - {"margin"})


@pytest.mark.parametrize(("crop_px", "capsules"), [(128, 2048), (SMALL_PX, 2 * 2 * 32), (68, 32)])
def test_primary_capsules(crop_px, capsules):
    assert CapsuleConfig(crop_px=crop_px).primary_capsules == capsules


@pytest.mark.parametrize(
    ("capsules", "game"), [("routing", "bce-noisy"), ("authors", "bce-noisy"), ("two_class", "margin")]
)
def test_a_capsule_discriminator_learns(capsules, game):
    torch.manual_seed(0)
    network = made("capsule", capsules=capsules, channels=8, crop_px=SMALL_PX)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    smooth = [torch.full_like(picture, 0.5) for picture in three()]
    losses = []
    for _ in range(8):
        loss = GAMES[game].discriminator(network(*three()), network(*smooth))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] and all(loss < 10 for loss in losses)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("paper", {"norm": "group"}, "there are flag"),
        ("paper", {"dropout": 1.0}, "lie in 0..1"),
        ("vgg", {"style": "vgg19"}, "there are srgan"),
        ("vgg", {"style": "srgan", "crop_px": 100}, "multiple of 16"),
        ("vgg", {"pooling": "max"}, "there are none"),
        ("gap", {"channels": 0}, "at least 1"),
        ("capsule", {"capsules": "matrix"}, "there are authors"),
        ("capsule", {"crop_px": 64}, "at least 68"),
    ],
)
def test_bad_options_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        DISCRIMINATORS[kind][0](**options)


def test_pictures_of_a_wrong_size_or_order_are_named():
    network = made("capsule", channels=8, crop_px=SMALL_PX)
    with pytest.raises(ValueError, match=r"judges"):
        network(*reversed(three()))


@pytest.mark.parametrize(
    ("judge", "game"),
    [
        ({"kind": "paper"}, "bce"),
        ({"kind": "vgg", "channels": 4, "crop_px": 32}, "relativistic-average"),
        ({"kind": "gap", "channels": 2, "hidden": 4}, "charbonnier"),
    ],
)
def test_a_recipe_trains_with_them(recipe, faces, tmp_path, judge, game):
    """With batch normalisation and dropout, and beside the losses that look at structure."""
    values = recipe.to_dict()
    values["run"] |= {"steps": 2, "epoch_steps": 2}
    values["discriminator"], values["adversarial"] = judge, {"kind": game, "weight": 0.01, "r1_weight": 0.1}
    values["loss"] += [{"kind": kind} for kind in ("fdpl", "edge-mask", "edge-map")]
    built = recipe_from_dict(values)
    assert recipe_from_dict(built.to_dict()) == built
    run_training(built, TrainSettings(data=faces, out=tmp_path, device="cpu"))
    with (tmp_path / "metrics.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    losses = [float(value) for name, value in row.items() if name.startswith("loss/")]
    assert len(losses) == 6 and all(math.isfinite(value) and value > 0 for value in losses)
