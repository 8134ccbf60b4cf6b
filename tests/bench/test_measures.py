from __future__ import annotations

import math

import numpy as np
import pytest

from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import DEGRADATIONS, REPEATABLE, bicubic
from facesr_cli.bench.measures import (
    block_colour_difference,
    low_resolution_consistency_db,
    measure,
)
from facesr_cli.bench.spectrum import high_frequency_energy


def flat(*levels: int, side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), levels if len(levels) == 3 else levels[0], np.uint8)


def wave(cycles_per_px: float, amplitude: int, *, axis: int, shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    """A grey cosine along one axis."""
    phase = 2 * np.pi * cycles_per_px * np.indices(shape)[axis]
    grey = np.rint(128 + amplitude * np.cos(phase)).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def test_energy_of_equal_pictures_is_one(face):
    assert high_frequency_energy(face, face) == pytest.approx(1.0)


def test_energy_goes_with_the_square_of_the_contrast():
    noise = np.random.default_rng(1).integers(-20, 21, (128, 96, 1))
    original = (128 + 2 * noise).astype(np.uint8).repeat(3, axis=2)
    result = (128 + noise).astype(np.uint8).repeat(3, axis=2)
    assert high_frequency_energy(result, original) == pytest.approx(0.25, rel=1e-6)


def test_energies_of_independent_noise_add_up():
    random = np.random.default_rng(2)
    first, second = random.normal(0, 12, (2, 256, 256, 1))
    original = np.rint(128 + first).astype(np.uint8).repeat(3, axis=2)
    result = np.rint(128 + first + second).astype(np.uint8).repeat(3, axis=2)
    assert high_frequency_energy(result, original) == pytest.approx(2.0, rel=0.03)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(64, 64), (63, 65), (80, 48)])
def test_only_what_is_finer_than_a_quarter_counts(axis, shape):
    fine = wave(3 / 8, 40, axis=axis, shape=shape)
    coarse = wave(1 / 8, 40, axis=axis, shape=shape)
    assert high_frequency_energy(coarse, fine) < 0.001
    assert high_frequency_energy(wave(3 / 8, 20, axis=axis, shape=shape), fine) == pytest.approx(
        0.25, rel=0.03
    )


def test_diagonal_frequencies_count_by_their_radius():
    # 0.2 cycles per pixel in both directions: a radius of 0.283.
    rows, columns = np.indices((80, 80))
    grey = np.rint(128 + 40 * np.cos(2 * np.pi * 0.2 * (rows + columns))).astype(np.uint8)
    diagonal = grey[:, :, np.newaxis].repeat(3, axis=2)
    assert high_frequency_energy(wave(0.2, 40, axis=0, shape=(80, 80)), diagonal) < 0.001


def test_edges_of_the_frame_are_no_detail():
    ramp = np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis].repeat(256, axis=0).repeat(3, axis=2)
    noise = np.random.default_rng(3).integers(126, 131, ramp.shape).astype(np.uint8)
    assert high_frequency_energy(ramp, noise) < 1e-3


def test_bicubic_has_less_detail_and_noise_more(face):
    enlarged = enlarge(bicubic(face), "bicubic", scale=2)
    noise = np.random.default_rng(4).normal(0, 10, face.shape)
    noisy = np.clip(np.rint(face + noise), 0, 255).astype(np.uint8)
    assert high_frequency_energy(enlarged, face) < 0.5
    assert high_frequency_energy(noisy, face) > 1.2


def test_nothing_is_relative_to_a_flat_original():
    assert high_frequency_energy(wave(3 / 8, 20, axis=0), flat(90)) is None
    assert high_frequency_energy(flat(91), wave(3 / 8, 20, axis=0)) == 0


def test_colour_of_equal_pictures(face):
    assert block_colour_difference(face, face) == 0


def test_colour_shift_is_that_of_the_two_colours():
    from skimage.color import deltaE_ciede2000, rgb2lab

    one, other = (180, 120, 100), (186, 118, 96)
    expected = float(deltaE_ciede2000(rgb2lab(np.array(one) / 255), rgb2lab(np.array(other) / 255)))
    assert expected > 1
    assert block_colour_difference(flat(*other), flat(*one)) == pytest.approx(expected)


def test_colour_looks_at_averages_of_blocks():
    original = flat(128)
    textured = original.copy()
    textured[::2, ::2] += 30
    textured[1::2, 1::2] -= 30
    assert block_colour_difference(textured, original) == pytest.approx(0, abs=1e-9)
    # One of 64 blocks is different: a 64th of its difference.
    block = original.copy()
    block[8:16, 16:24] = 168
    whole = block_colour_difference(flat(168), original)
    assert block_colour_difference(block, original) == pytest.approx(whole / 64)


def test_colour_leaves_the_rest_at_right_and_bottom_out():
    original = flat(100, side=71)
    result = original.copy()
    result[64:], result[:, 64:] = 0, 0
    assert block_colour_difference(result, original) == 0
    with pytest.raises(ValueError, match="no block"):
        block_colour_difference(flat(1, side=7), flat(1, side=7))


@pytest.mark.parametrize("metric", [high_frequency_energy, block_colour_difference])
def test_shapes_must_agree(metric, face):
    with pytest.raises(ValueError, match="the result is"):
        metric(face[:-2], face)


@pytest.mark.parametrize("name", REPEATABLE)
def test_the_original_is_consistent_with_its_low_resolution(name, face):
    low = DEGRADATIONS[name](face, "any.png")
    assert low_resolution_consistency_db(face, low, REPEATABLE[name]) == math.inf
    brighter = np.minimum(face, 250) + np.uint8(5)
    assert low_resolution_consistency_db(brighter, low, REPEATABLE[name]) == pytest.approx(34.15, abs=0.2)


def test_what_the_input_contradicts_lowers_the_consistency(face):
    low = bicubic(face)
    enlarged = enlarge(low, "bicubic", scale=2)
    # Mirrored, a face is as plausible as before, and another one.
    mirrored = np.ascontiguousarray(enlarged[:, ::-1])
    faithful_db = low_resolution_consistency_db(enlarged, low, bicubic)
    assert faithful_db > 35
    assert low_resolution_consistency_db(mirrored, low, bicubic) < faithful_db - 15


def test_low_resolution_of_another_size(face):
    with pytest.raises(ValueError, match="the result is"):
        low_resolution_consistency_db(face, face, bicubic)


def test_measure_gathers_them_and_knows_what_cannot_be_repeated(face):
    low = bicubic(face)
    result = enlarge(low, "lanczos", scale=2)
    measures = measure(result, face, low, degradation="bicubic")
    assert measures.high_frequency_energy == high_frequency_energy(result, face)
    assert measures.block_colour_difference == block_colour_difference(result, face)
    assert measures.low_resolution_consistency_db == low_resolution_consistency_db(result, low, bicubic)
    assert measures.niqe is None  # 96 px are too small for it
    for name in ("real", "given"):
        assert measure(result, face, low, degradation=name).low_resolution_consistency_db is None
