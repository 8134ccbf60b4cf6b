"""The tensor code against the numpy definitions that `bench` uses."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from facesr_cli.bench import degradations as reference
from facesr_train import degradations
from facesr_train.resize import FILTERS, halve


def to_tensor(image):
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def to_array(tensor):
    return tensor[0].permute(1, 2, 0).numpy()


def worst_level(ours, theirs):
    return int(np.abs(ours.astype(int) - theirs.astype(int)).max())


@pytest.mark.parametrize("name", ["paper", "paper_alt", "bicubic"])
def test_equals_numpy_within_one_level(portrait, name):
    image = portrait[:192, 130:290]
    result = to_array(getattr(degradations, name)(to_tensor(image)))
    assert worst_level(result, getattr(reference, name)(image)) <= 1


def test_real_equals_numpy_within_one_level(portrait):
    image = portrait[:192, 128:288]
    rng = random.Random(3)
    parameters = [degradations.draw_real_parameters(rng) for _ in range(6)]
    parameters[0] = replace(parameters[0], blur_sigma=None, resize="area", subsampling_420=True)
    parameters[1] = replace(parameters[1], blur_sigma=1.6, resize="lanczos", subsampling_420=False)
    noise = np.random.default_rng(0).standard_normal((6, 96, 80, 3), dtype=np.float32)
    batch = to_tensor(image).expand(6, -1, -1, -1)
    result = degradations.real(batch, parameters, torch.from_numpy(noise).permute(0, 3, 1, 2))
    for index, drawn in enumerate(parameters):
        expected = reference.apply_real(image, drawn, noise[index])
        assert worst_level(result[index].permute(1, 2, 0).numpy(), expected) <= 1


@pytest.mark.parametrize(
    ("name", "resampling"),
    list(zip(FILTERS, ("BOX", "BILINEAR", "BICUBIC", "LANCZOS"), strict=True)),
)
def test_halving_equals_pillow(name, resampling):
    image = np.random.default_rng(0).random((38, 54), dtype=np.float32)
    expected = Image.fromarray(image).resize((27, 19), Image.Resampling[resampling])
    result = halve(torch.from_numpy(image)[None, None], [name])[0, 0]
    np.testing.assert_allclose(result.numpy(), np.asarray(expected), atol=1e-5)


def test_odd_sides_cannot_be_halved():
    with pytest.raises(ValueError, match="cannot be halved"):
        halve(torch.zeros(1, 3, 8, 7), ["area"])


@pytest.mark.parametrize("kind", degradations.NAMES)
def test_context_is_enough_for_a_crop(portrait, kind, monkeypatch):
    """A degraded window, trimmed, is what the same place of the whole degraded photograph shows."""
    # JPEG blocks and noise depend on the place by their nature; blur and filters must not.
    monkeypatch.setattr(degradations, "jpeg_round_trip", lambda images, quality, subsampling_420: images)
    monkeypatch.setattr(degradations.torch, "randn", lambda shape, generator, device: torch.zeros(shape))
    whole = to_tensor(portrait[:256, 128:384])
    context = degradations.CONTEXT_PX
    window = whole[..., 64 - context : 160 + context, 96 - context : 192 + context]
    noise = torch.Generator()
    full = degradations.degrade(whole, [kind], random.Random(5), noise)[..., 32:80, 48:96]
    part = degradations.degrade(window, [kind], random.Random(5), noise)
    trim = context // 2
    assert worst_level(part[..., trim:-trim, trim:-trim].numpy(), full.numpy()) <= 1


def test_each_image_gets_its_own_degradation(portrait):
    batch = to_tensor(portrait[:64, 200:264]).expand(3, -1, -1, -1)
    result = degradations.degrade(batch, ["bicubic", "paper", "bicubic"], random.Random(0), torch.Generator())
    assert torch.equal(result[0], result[2])
    assert torch.equal(result[1], degradations.paper(batch[:1])[0])
    assert not torch.equal(result[0], result[1])
