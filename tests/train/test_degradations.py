"""The tensor code against the numpy definitions that `bench` uses."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from facesr_cli.bench import degradations as reference
from facesr_train import degradations
from facesr_train.degradations import defined_degradations, degrade, draw_degradations, draw_noise
from facesr_train.draws import Draws
from facesr_train.resize import BLUR_RADIUS_PX, FILTERS, TAPS, WEIGHTS, halving_matrix, reduce


def to_tensor(image):
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def to_array(tensor):
    return tensor[0].permute(1, 2, 0).numpy()


def worst_level(ours, theirs):
    return int(np.abs(ours.astype(int) - theirs.astype(int)).max())


def degraded(batch, kinds, reals=(), noise=None):
    """What `bench`'s degradations make of a batch; without `noise` there is none."""
    defined = defined_degradations(kinds, reals)
    silence = torch.zeros(len(defined.coded), 3, batch.shape[2] // 2, batch.shape[3] // 2)
    return degrade(batch, defined, silence if noise is None else noise)


@pytest.mark.parametrize("name", ["paper", "paper-alt", "bicubic"])
def test_equals_numpy_within_one_level(portrait, name):
    image = portrait[:192, 130:290]
    result = to_array(degraded(to_tensor(image), [name]))
    assert worst_level(result, getattr(reference, name.replace("-", "_"))(image)) <= 1


@pytest.mark.parametrize("with_jpeg", [False, True])
def test_real_equals_numpy_within_one_level_before_jpeg(portrait, with_jpeg, monkeypatch):
    if not with_jpeg:
        monkeypatch.setattr(degradations, "jpeg_round_trip", lambda images, quality, full_colour: images)
        monkeypatch.setattr(reference, "jpeg_round_trip", lambda image, **_: image)
    image = portrait[:192, 128:288]
    rng = random.Random(3)
    parameters = [degradations.draw_real_parameters(rng) for _ in range(6)]
    parameters[0] = replace(parameters[0], blur_sigma=None, resize="area", subsampling_420=True)
    parameters[1] = replace(parameters[1], blur_sigma=1.6, resize="lanczos", subsampling_420=False)
    noise = np.random.default_rng(0).standard_normal((6, 96, 80, 3), dtype=np.float32)
    batch = to_tensor(image).expand(6, -1, -1, -1)
    coded = defined_degradations(["real"] * 6, parameters).coded
    assert sorted(coded.tolist()) == list(range(6))
    result = degraded(batch, ["real"] * 6, parameters, torch.from_numpy(noise).permute(0, 3, 1, 2)[coded])
    for index, drawn in enumerate(parameters):
        ours = result[index].permute(1, 2, 0).numpy()
        expected = reference.apply_real(image, drawn, noise[index])
        assert (ours != expected).mean() < 0.02
        # A half that is rounded the other way changes a coefficient of its block, at most.
        assert worst_level(ours, expected) <= (3 if with_jpeg else 1)


def test_drawn_degradations_keep_to_their_shares_and_ranges():
    drawn = draw_degradations(Draws(4000, 0), {"real": 0.5, "bicubic": 0.3, "paper": 0.2}, varied_share=0.0)
    assert 1850 < len(drawn.coded) < 2150
    assert 0.4 < drawn.full_colour / len(drawn.coded) < 0.6
    assert len(set(drawn.coded.tolist())) == len(drawn.coded)
    assert 0 <= float(drawn.noise_sigma.min()) < 0.05 and 5.95 < float(drawn.noise_sigma.max()) <= 6
    assert (int(drawn.jpeg_quality.min()), int(drawn.jpeg_quality.max())) == (65, 98)
    torch.testing.assert_close(drawn.weights.sum(1), torch.ones(4000))
    fixed = {
        kind: int((drawn.weights == defined_degradations([kind]).weights).all(1).sum())
        for kind in ("bicubic", "paper")
    }
    assert 1100 < fixed["bicubic"] < 1500, "some of real are bicubic without blur, too"
    assert 700 < fixed["paper"] < 900


def test_chosen_pictures_are_halved_by_means_alone(portrait):
    averaged = np.arange(12) % 2 == 0
    shares = {"paper": 1.0, "real": 2.0, "bicubic": 1.0}
    drawn = draw_degradations(Draws(12, 0), shares, varied_share=0.5, averaged=averaged)
    hr = torch.from_numpy(portrait[:64, 200:264]).permute(2, 0, 1).expand(12, -1, -1, -1).contiguous()
    lr = degrade(hr, drawn, draw_noise(hr, drawn, torch.Generator().manual_seed(0)))
    distance = (lr.float() - F.avg_pool2d(hr.float(), 2)).abs().amax((1, 2, 3))
    assert ((distance <= 0.5).numpy() == averaged).all()


@pytest.mark.parametrize(
    ("name", "resampling"),
    list(zip(FILTERS, ("BOX", "BILINEAR", "BICUBIC", "LANCZOS"), strict=True)),
)
def test_halving_equals_pillow(name, resampling):
    image = np.random.default_rng(0).random((38, 54), dtype=np.float32)
    expected = Image.fromarray(image).resize((27, 19), Image.Resampling[resampling])
    weights = torch.zeros(1, WEIGHTS)
    weights[0, TAPS * FILTERS.index(name) + BLUR_RADIUS_PX] = 1
    result = reduce(torch.from_numpy(image)[None, None], weights)[0, 0]
    np.testing.assert_allclose(result.numpy(), np.asarray(expected), atol=1e-5)


def test_odd_sides_cannot_be_halved():
    with pytest.raises(ValueError, match="cannot be halved"):
        halving_matrix("area", 7)


@pytest.mark.parametrize("kind", degradations.NAMES)
def test_context_is_enough_for_a_crop(portrait, kind, monkeypatch):
    """A degraded window, trimmed, is what the same place of the whole degraded photograph shows."""
    # JPEG blocks and noise depend on the place by their nature; blur and filters must not.
    monkeypatch.setattr(degradations, "jpeg_round_trip", lambda images, quality, full_colour: images)
    whole = to_tensor(portrait[:256, 128:384])
    context = degradations.CONTEXT_PX
    window = whole[..., 64 - context : 160 + context, 96 - context : 192 + context]
    reals = [degradations.draw_real_parameters(random.Random(5))] if kind == "real" else []
    full = degraded(whole, [kind], reals)[..., 32:80, 48:96]
    part = degraded(window, [kind], reals)
    trim = context // 2
    assert worst_level(part[..., trim:-trim, trim:-trim].numpy(), full.numpy()) <= 1


def test_each_image_gets_its_own_degradation(portrait):
    batch = to_tensor(portrait[:64, 200:264]).expand(3, -1, -1, -1)
    result = degraded(batch, ["bicubic", "paper", "bicubic"])
    assert torch.equal(result[0], result[2])
    assert torch.equal(result[1], degraded(batch[:1], ["paper"])[0])
    assert not torch.equal(result[0], result[1])
