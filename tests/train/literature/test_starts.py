"""Recipes of the literature that start from the weights of others, or keep some as they are."""

from __future__ import annotations

import csv
import hashlib

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import REPEATABLE
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.errors import MissingExtraError, ModelError
from facesr_train import initial, run_state
from facesr_train.changes import changed
from facesr_train.checkpoint import averaged_generator, build_generator, load_checkpoint
from facesr_train.external.esrgan_prior import load_prior
from facesr_train.generators.rrdb import DENSE_BLOCKS, DENSE_CONVS
from facesr_train.initial import PRIOR, read_initial
from facesr_train.recipe import load_recipe
from facesr_train.session import TrainSettings, run_training


def trained(recipe, frames, out, **changes):
    return run_training(recipe, TrainSettings(data=frames, out=out, device="cpu", **changes))


def _equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_the_game_of_srgan_starts_from_srresnet(tiny, frames, tmp_path, stand_ins):
    """Every tensor is loaded, strictly, and the pixel stage is left out."""
    first = trained(tiny("srresnet", steps=2), frames, tmp_path / "srresnet")
    second = tiny("srgan", steps=2, run={"steps": 2, "begin": 0.5}, optimiser={"learning_rate": 1e-9})
    last = trained(second, frames, tmp_path / "srgan", init=tmp_path / "srresnet" / "best.ckpt")
    best = load_checkpoint(tmp_path / "srresnet" / "best.ckpt")
    assert best.recipe == first.recipe
    for name, value in best.average.items():
        if value.is_floating_point() and "running" not in name:
            torch.testing.assert_close(last.generator[name], value, atol=1e-6, rtol=0)
    with (tmp_path / "srgan" / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["loss/mse-0"]) == 0 < float(row["loss/adversarial"])
    assert float(row["factor/perceptual-1"]) > 0
    assert last.calibration["perceptual-1"]["count"] == 2
    assert last.initial.startswith("srresnet ")


def test_the_anchored_gan_of_the_paper_beats_bicubic_by_1_db(portrait, tmp_path):
    """On a face that it has not seen, after 900 steps on what lies around it."""
    face, around = portrait[:192, 128:320], (portrait[192:], portrait[:192, 320:], portrait[:192, :128])
    for name, picture in (("val/face", face), *((f"train/{i}", part) for i, part in enumerate(around))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    short = ["run.steps=900", "run.epoch_steps=900", "run.validation_crop_px=128", "data.hr_crop_px=64"]
    recipe = changed(load_recipe("paper-l1", "small"), short)
    generator = averaged_generator(trained(recipe, tmp_path, tmp_path / "run"))
    low = REPEATABLE["paper"](face)
    with torch.no_grad():
        output = generator(torch.from_numpy(low.copy()).permute(2, 0, 1)[None] / 255)
    result = output[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    assert psnr_db(result, face) >= psnr_db(enlarge(low, "bicubic", scale=2), face) + 1


def test_a_chain_of_domains_carries_both_networks(tiny, frames, tmp_path, stand_ins):
    def domain(name, degradation, rate):
        recipe = tiny(
            "transfergan",
            steps=2,
            data={"degradations": {degradation: 1.0}},
            optimiser={"learning_rate": rate},
        )
        return recipe, tmp_path / name

    (first, one), (second, two), (third, three) = (
        domain("one", "bicubic", 1e-4),
        domain("two", "paper", 5e-5),
        domain("three", "paper", 2.5e-5),
    )
    begun = trained(first, frames, one)
    carried = read_initial(one / "last.ckpt", second)
    for name, value in begun.average.items():
        assert torch.equal(carried.weights[name], value), "bit for bit"
    for name, value in begun.adversary["network"].items():
        assert torch.equal(carried.discriminator[name], value)
    trained(second, frames, two, init=one / "last.ckpt")
    last = trained(third, frames, three, init=two / "last.ckpt")
    links = last.initial.split(", itself from ")
    assert [link.split()[0] for link in links] == ["transfergan", "transfergan"]
    for link, folder in zip(links, (two, one), strict=True):
        assert f"(sha256 {hashlib.sha256((folder / 'last.ckpt').read_bytes()).hexdigest()[:12]})" in link
    with pytest.MonkeyPatch.context() as patch:  # the state before the first step
        patch.setattr(run_state.RunState, "steps", lambda self: iter(()))
        patch.setattr(run_state.RunState, "share_done", 1.0)
        start = trained(second, frames, tmp_path / "start", init=one / "last.ckpt")
    assert _equal(start.generator, begun.average)
    assert _equal(start.adversary["network"], begun.adversary["network"])
    assert start.adversary["optimiser"]["state"] == start.optimiser["state"] == {}, "optimisers begin afresh"
    alone = changed(second, ["adversarial.carry=false"])
    assert read_initial(one / "last.ckpt", alone).discriminator == {}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_start_from_another_domain_is_ahead_of_a_fresh_one(portrait, seed):
    """TransferGAN's claim, on one face: at equal steps the carried network is nearer on unseen pixels."""
    face = torch.from_numpy(portrait[64:256, 128:320].copy()).permute(2, 0, 1)[None] / 255
    learnt, held_out = face[..., :128], face[..., 128:]

    def pair(high, degradation):
        picture = (255 * high[0]).byte().permute(1, 2, 0).numpy()
        low = torch.from_numpy(REPEATABLE[degradation](picture)).permute(2, 0, 1)[None] / 255
        return low, high

    def train(network, low, high, steps):
        optimiser = torch.optim.Adam(network.parameters(), 2e-3)
        for _ in range(steps):
            optimiser.zero_grad()
            F.mse_loss(network(low), high).backward()
            optimiser.step()

    torch.manual_seed(seed)
    recipe = load_recipe("transfergan", "small")
    fresh = build_generator(recipe)
    carried = build_generator(recipe)
    carried.load_state_dict(fresh.state_dict())
    train(carried, *pair(learnt, "bicubic"), 25)
    losses = []
    for network in (fresh, carried):
        train(network, *pair(learnt, "paper"), 10)
        low, high = pair(held_out, "paper")
        with torch.no_grad():
            losses.append(float(F.mse_loss(network(low), high)))
    assert losses[1] < losses[0]


def test_frozen_weights_stay(tiny, frames, tmp_path, stand_ins):
    recipe = tiny("transfergan", steps=5, optimiser={"frozen": ["first", "body"]})
    fresh = build_generator(recipe).state_dict()
    last = trained(recipe, frames, tmp_path)
    for name, value in last.generator.items():
        frozen = name.startswith(("first", "body"))
        assert torch.equal(value, fresh[name]) == frozen, name
        assert not frozen or torch.equal(last.average[name], value)


def pretend_prior(network):
    """Random weights in the form of the prior's, for an x2 `network`, in the order of computing."""
    random = torch.Generator().manual_seed(0)
    layers = {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            shape = module.weight.shape
            shape = (shape[0], 3, 3, 3) if name == "first" else shape
            layers[f"{name}.weight"] = 0.05 * torch.randn(shape, generator=random)
            layers[f"{name}.bias"] = 0.05 * torch.randn(shape[0], generator=random)
    return layers


def test_the_prior_starts_networks_of_its_kind(tiny, monkeypatch):
    recipe = tiny("ca-esrgan")
    network = build_generator(recipe)
    layers = pretend_prior(network)
    monkeypatch.setattr(initial, "load_prior", lambda: layers)
    begun = read_initial(PRIOR, recipe)
    assert "Real-ESRGAN" in begun.origin
    assert torch.equal(begun.weights["last.weight"], layers["last.weight"])
    assert torch.equal(begun.weights["first.weight"][:, :4].sum(1), layers["first.weight"][:, 0])
    with pytest.raises(ModelError, match="of the kind rrdb without skip"):
        read_initial(PRIOR, tiny("srgan"))
    with pytest.raises(ModelError, match="blocks = 23"):
        read_initial(PRIOR, tiny("transfergan", generator={"blocks": 2}))


def test_the_real_prior_fits_the_full_size():
    try:
        layers = load_prior()
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert len(layers) == 2 * (23 * DENSE_BLOCKS * DENSE_CONVS + 6) == 2 * 351
    begun = read_initial(PRIOR, load_recipe("transfergan"))
    assert sum(value.numel() for value in begun.weights.values()) == 16_703_171
