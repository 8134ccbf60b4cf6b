"""What holds for every recipe of the literature: acceptance tests (a) to (f)."""

from __future__ import annotations

import tomllib
from importlib import metadata, resources

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch.nn import functional as F

from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import paper
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.errors import MissingExtraError, ModelError
from facesr_cli.model.upscaler import Upscaler
from facesr_export import parity
from facesr_export.exporter import export_checkpoint
from facesr_train import session
from facesr_train.adversary import Adversary
from facesr_train.checkpoint import averaged_generator, build_generator, load_checkpoint
from facesr_train.generators.outputs import ManyOutputs
from facesr_train.losses.rank import RankLoss
from facesr_train.objective import Objective
from facesr_train.recipe import load_recipe, recipe_from_dict, shipped_recipes
from facesr_train.session import TrainSettings, run_training

NAMES = (
    *("ca-esrgan", "edge", "eegan", "fdpl", "ip-fsrgan", "msg-capsgan", "paper", "paper-l1"),
    *("ragan-face", "ranksrgan", "srgan", "srresnet", "transfergan"),
)
CPU = torch.device("cpu")


def trained(recipe, frames, out, **changes):
    return run_training(recipe, TrainSettings(data=frames, out=out, device="cpu", **changes))


def test_all_recipes_of_the_literature_are_shipped():
    shipped = {recipe.name for recipe in shipped_recipes()}
    assert set(NAMES) <= shipped
    assert {name for name in shipped if not name.startswith("face-x2")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_is_a_recipe_of_its_own(name):
    text = (resources.files("facesr_train") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    presets = tomllib.loads(text)["preset"]
    assert "small" in presets
    plain = load_recipe(name)
    for preset in presets:
        changed = load_recipe(name, preset)
        assert changed.name == f"{name}-{preset}"
        assert changed.digest != plain.digest
        assert recipe_from_dict(changed.to_dict()) == changed
    small, full = (build_generator(load_recipe(name, preset)) for preset in ("small", ""))
    weights = [sum(weight.numel() for weight in network.parameters()) for network in (small, full)]
    assert weights[0] < weights[1]


@pytest.mark.parametrize("name", NAMES)
def test_it_trains_resumes_and_leaves_frozen_networks_alone(
    name, tiny, frames, tmp_path, stand_ins, monkeypatch
):
    """(c), (d): two steps, a cut, two more; as if never cut."""
    recipe = tiny(name)
    whole = trained(recipe, frames, tmp_path / "whole")
    fresh = build_generator(recipe).state_dict()
    assert any(not torch.equal(fresh[key], value) for key, value in whole.generator.items())
    assert all(bool(value.isfinite().all()) for value in whole.generator.values())
    for network in stand_ins:
        assert _equal(network.state_dict(), _remade(network)), "frozen networks stay as they are"
    assert not any(module.training for network in stand_ins for module in network.modules())

    class Cut(Exception):  # noqa: N818
        pass

    def cut(self, report):
        raise Cut

    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(session._Reporter, "epoch", cut)
        trained(recipe, frames, tmp_path / "parts")
    half = load_checkpoint(tmp_path / "parts" / "last.ckpt")
    assert half.step == 2
    if recipe.adversarial is not None:
        judge = Adversary(Fabric(accelerator="cpu", devices=1), recipe).state()["network"]
        assert any(not torch.equal(judge[key], value) for key, value in whole.adversary["network"].items())
    resumed = trained(recipe, frames, tmp_path / "parts", resume=True)
    assert _equal(resumed.generator, whole.generator)
    assert _equal(resumed.adversary.get("network", {}), whole.adversary.get("network", {}))
    assert resumed.calibration.keys() == whole.calibration.keys()
    for key, sums in whole.calibration.items():
        assert sums["count"] == resumed.calibration[key]["count"] > 0
        assert torch.equal(sums["sums"], resumed.calibration[key]["sums"])


def _remade(network):
    """The values that a stand-in began with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return type(network)().state_dict()


def _equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", NAMES)
def test_every_loss_is_0_for_the_original_itself(name, tiny, stand_ins):
    """(b): all but the rank, which looks at the output only."""
    recipe = tiny(name)
    generator = build_generator(recipe)
    original = torch.rand(1, 3, recipe.data.hr_crop_px, recipe.data.hr_crop_px)
    targets = generator.targets(original) if isinstance(generator, ManyOutputs) else {"image": original}
    for term, loss in zip(recipe.losses, Objective(recipe, None, CPU)._losses, strict=True):
        if not isinstance(loss, RankLoss):
            assert float(loss(targets[term.on], targets[term.on])) == pytest.approx(0, abs=1e-6), term.kind


@pytest.mark.parametrize("name", NAMES)
def test_missing_weights_name_the_extra(name, tiny, tmp_path, monkeypatch):
    """(e): the message says what to install and what there is without; nothing else is tried."""

    def nothing(distribution):
        raise metadata.PackageNotFoundError(distribution)

    monkeypatch.setenv("FACESR_CACHE", str(tmp_path))
    monkeypatch.setattr("facesr_train.external.packages.metadata.distribution", nothing)
    kinds = {term.kind for term in load_recipe(name).losses}
    needed = {"perceptual", "plips", "identity"} & kinds
    if not needed:
        Objective(tiny(name), None, CPU)
        return
    remedy = r'pip install "facesr-cli\[(perceptual|identity)\]"; without them, \w'
    with pytest.raises(MissingExtraError, match=remedy):
        Objective(tiny(name), None, CPU)


def test_a_missing_ranker_says_how_to_train_one(tiny, stand_ins):
    values = tiny("ranksrgan").to_dict()
    values["loss"][2]["ranker"] = "nowhere.npz"
    with pytest.raises(ModelError, match=r"python -m facesr_train\.ranker"):
        Objective(recipe_from_dict(values), None, CPU)


@pytest.mark.parametrize("name", NAMES)
def test_thirty_steps_on_one_patch_beat_bicubic(name, portrait):
    """(f): the small network with squared error, on a patch blurred as the paper does, of much detail."""
    rate = 6e-3 if name.startswith("paper") else 2e-3  # it begins at half the contrast
    torch.manual_seed(0)
    network = build_generator(load_recipe(name, "small")).train()
    hr = portrait[352:416, 128:192]
    low = paper(hr)
    lr, target = (torch.from_numpy(np.ascontiguousarray(x)).permute(2, 0, 1)[None] / 255 for x in (low, hr))
    optimiser = torch.optim.Adam(network.parameters(), rate, betas=(0.9, 0.99))
    for _ in range(30):
        loss = F.mse_loss(network(lr), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        output = network(lr)[0].clamp(0, 1).mul(255).round().byte()
    reached_db = psnr_db(output.permute(1, 2, 0).numpy(), hr)
    assert reached_db > psnr_db(enlarge(low, "bicubic", scale=2), hr)


@pytest.mark.parametrize("name", NAMES)
def test_networks_double_pictures_of_two_sizes(name):
    """(a), at full size and small; `tests/export` holds parity of every kind of network."""
    for preset in ("", "small"):
        network = build_generator(load_recipe(name, preset)).eval()
        for size in ((8, 8), (12, 16)):
            with torch.no_grad():
                assert network(torch.rand(1, 3, *size)).shape == (1, 3, 2 * size[0], 2 * size[1])


def test_the_result_of_a_run_is_exported_and_enlarges(tiny, frames, tmp_path, monkeypatch, random_photo):
    """(a): from the recipe to the picture."""
    whole = trained(tiny("paper-l1", steps=2), frames, tmp_path / "whole")
    monkeypatch.setattr(parity, "CASES", ((1, 16, 24), (2, 33, 1)))
    report = export_checkpoint(tmp_path / "whole" / "last.ckpt", tmp_path / "network.onnx")
    assert report.info.parity <= 1e-4
    assert report.info.adversarial
    photo = random_photo(12, 18)  # brightness of smaller pictures than 16 px is not judged
    with Upscaler(report.output, provider="cpu", threads=1) as upscaler:
        result = upscaler.upscale(photo)
    image = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
    generator = averaged_generator(whole)
    edges = (0, -18 % generator.multiple, 0, -12 % generator.multiple)
    with torch.no_grad():
        output = generator(F.pad(image, edges, mode="replicate"))[..., :24, :36]
    expected = (255 * output[0].clamp(0, 1)).permute(1, 2, 0).numpy()
    assert result.shape == (24, 36, 3)
    assert np.abs(result - expected).max() <= 0.6
