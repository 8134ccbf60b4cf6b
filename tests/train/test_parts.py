"""Losses, schedule, averaging: pure functions with known values."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from facesr_train.averaging import update_average
from facesr_train.losses import LOSSES
from facesr_train.losses.pixel import CHARBONNIER_EPSILON
from facesr_train.schedule import learning_rate, progress


def loss(name):
    config, make = LOSSES[name]
    return make(config())


@pytest.mark.parametrize("name", ["l1", "charbonnier", "mse", "low-frequency", "grid", "spectrum"])
def test_equal_pictures_cost_nothing(name):
    picture = torch.rand(2, 3, 64, 64)
    assert float(loss(name)(picture, picture)) == pytest.approx(0, abs=1e-9)


def test_the_colour_lock_sees_block_averages_only():
    picture = torch.rand(2, 3, 16, 24)
    texture = torch.ones(16, 24)
    texture[::2] = -1
    assert float(loss("low-frequency")(picture + 0.2 * texture, picture)) == pytest.approx(0, abs=1e-6)
    assert float(loss("low-frequency")(picture + 0.2, picture)) == pytest.approx(0.2)


def test_the_grid_loss_sees_regular_patterns_only():
    picture = torch.rand(2, 3, 64, 96)
    pattern = torch.zeros(4, 4)
    pattern[0, 0] = 1
    grid = pattern.repeat(16, 24)
    expected = (15 / 16 + 15 * 1 / 16) / 16  # one place of sixteen differs
    assert float(loss("grid")(picture + grid, picture)) == pytest.approx(expected, rel=1e-4)
    assert float(loss("grid")(picture + 0.2, picture)) == pytest.approx(0, abs=1e-6)
    texture = torch.randn(2, 3, 64, 96)
    assert float(loss("grid")(picture + texture, picture)) < 0.15 * float(texture.abs().mean())


def test_the_spectrum_asks_for_detail_wherever_it_is():
    torch.manual_seed(0)
    noise, other = 0.1 * torch.randn(2, 4, 3, 96, 64)
    smooth = nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
    spectrum = loss("spectrum")
    assert float(spectrum(noise + 0.3, noise)) == pytest.approx(0, abs=1e-6), "a shift of brightness"
    soft, elsewhere = float(spectrum(smooth, noise)), float(spectrum(other, noise))
    # White noise of deviation s has a luma of 0.669 s, of which the window leaves 3/8, in every band.
    assert 0.5 * 0.669 * 0.0375 < soft < 0.669 * 0.0375
    assert elsewhere < 0.1 * soft, "the same energy in other places"
    output = smooth.requires_grad_()
    (slope,) = torch.autograd.grad(spectrum(output, noise), output)
    assert float(spectrum((output - 20 * slope).detach(), noise)) < soft


def test_the_spectrum_compares_crop_by_crop_and_band_by_band():
    torch.manual_seed(1)
    strength = torch.tensor([0.02, 0.2])[:, None, None, None]
    noise, spectrum = strength * torch.randn(2, 3, 65, 97), loss("spectrum")
    assert float(spectrum(noise.flip(0), noise)) > 0.02, "detail in another crop"
    column, row = torch.arange(64.0), torch.zeros(64, 1)
    coarse, fine = (0.1 * torch.cos(2 * math.pi * f * column) + row for f in (0.3, 0.45))
    assert float(spectrum(*(wave.expand(1, 3, 64, 64) for wave in (coarse, fine)))) > 0.001
    plain = float(spectrum(1.02 * noise, noise))
    with torch.autocast("cpu", torch.bfloat16):
        assert float(spectrum(1.02 * noise, noise)) == pytest.approx(plain, rel=1e-3)
    flat = torch.full((1, 3, 32, 32), 0.5, requires_grad=True)
    for target in (flat.detach(), torch.rand(1, 3, 32, 32)):
        (slope,) = torch.autograd.grad(spectrum(flat, target), flat)
        assert bool(slope.isfinite().all())


def test_the_spectrum_needs_frequencies_in_every_band():
    config, make = LOSSES["spectrum"]
    for limits in ((0.25,), (0.5, 0.25), (-0.1, 0.5), (0.25, 0.25), 0.25, "0.25"):
        with pytest.raises(ValueError, match="limits_cycles_per_px"):
            config(limits_cycles_per_px=limits)
    with pytest.raises(ValueError, match="no picture has"):
        config(limits_cycles_per_px=[0.71, 0.8])
    with pytest.raises(ValueError, match="take larger crops"):
        make(config(limits_cycles_per_px=[0.25, 0.251]))(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("l1", 0.1), ("mse", 0.01), ("charbonnier", math.hypot(0.1, CHARBONNIER_EPSILON) - CHARBONNIER_EPSILON)],
)
def test_a_constant_error_of_a_tenth(name, expected):
    picture = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    assert float(loss(name)(picture + 0.1, picture)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("step", "share", "expected"),
    [(0, 0.0, 0.1), (9, 0.0, 1.0), (500, 0.5, 0.505), (1000, 1.0, 0.01)],
)
def test_rate_warms_up_and_follows_a_cosine(step, share, expected):
    rate = learning_rate(1.0, final_ratio=0.01, share_done=share, step=step, warmup_steps=10)
    assert rate == pytest.approx(expected)


def test_a_budget_replaces_the_steps():
    assert progress(10, 40, 500.0, None) == 0.25
    assert progress(10, 40, 30.0, 60.0) == 0.5
    assert progress(50, 40, 90.0, 60.0) == 1.0


def test_average_moves_by_the_warm_decay():
    average, network = nn.Linear(2, 2), nn.Linear(2, 2)
    nn.init.zeros_(average.weight)
    nn.init.ones_(network.weight)
    update_average(average, network, decay=0.9, step=0)
    torch.testing.assert_close(average.weight, torch.full((2, 2), 0.9))  # keeps min(0.9, 1 / 10)
    update_average(average, network, decay=0.9, step=1000)
    torch.testing.assert_close(average.weight, torch.full((2, 2), 0.91))
