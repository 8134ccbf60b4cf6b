from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import bicubic
from facesr_cli.bench.niqe import (
    MIN_PRISTINE_BLOCKS,
    MIN_SIDE_PX,
    PristineStatistics,
    asymmetric_gaussian,
    block_features,
    fit_statistics,
    niqe,
    pristine_statistics,
    sharp_features,
)

PORTRAITS = Path(__file__).parents[3] / "shared" / "portraits" / "val"


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """(512, 512, 3) uint8 RGB."""
    return astronaut()


def noisy(image: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def test_original_before_bicubic_before_noise(portrait):
    enlarged = enlarge(bicubic(portrait), "bicubic", scale=2)
    values = [niqe(portrait), niqe(enlarged), niqe(noisy(portrait, 25))]
    assert values == sorted(values)
    assert values[1] > values[0] + 0.5
    assert values[2] > values[1] + 0.5


def test_the_order_on_photographs_of_three_people():
    if not PORTRAITS.is_dir():
        pytest.skip("the portraits that figures are measured on are not beside the repository")
    for path in sorted(PORTRAITS.iterdir())[::7]:
        with Image.open(path) as photo:
            truth = np.asarray(
                photo.convert("RGB").resize((1024, 1024), box=(0, 0, photo.width, photo.width))
            )
        enlarged = enlarge(bicubic(truth), "bicubic", scale=2)
        assert niqe(truth) < niqe(enlarged) < niqe(noisy(truth, 12.75)), path.name


def test_mirroring_changes_little(portrait):
    assert niqe(np.ascontiguousarray(portrait[:, ::-1])) == pytest.approx(niqe(portrait), rel=0.02)


def test_the_same_picture_has_the_same_value(portrait):
    assert niqe(portrait) == niqe(portrait.copy())


def test_golden_numbers(portrait):
    """Of the statistics in the package: other figures mean that those in the documents cannot be repeated."""
    noise = np.random.default_rng(0).integers(0, 256, (288, 288, 3), dtype=np.uint8)
    enlarged = enlarge(portrait[:256, :256], "bicubic", scale=2)
    values = [niqe(portrait), niqe(enlarged), niqe(noise)]
    assert values == pytest.approx([4.00122, 4.32768, 17.17991], rel=1e-3)


def test_distance_by_hand(portrait):
    features, _ = block_features(portrait)
    covariance = np.cov(features, rowvar=False)
    shift = np.zeros(36)
    shift[4] = 3.0
    # Large and diagonal, so that the covariance of the picture hardly matters: 3 / sqrt(1e6 / 2).
    wide = PristineStatistics(
        mean=features.mean(axis=0) + shift, covariance=1e6 * np.eye(36), blocks=1, photographs=1
    )
    assert np.abs(covariance).max() < 100
    assert niqe(portrait, wide) == pytest.approx(3 / np.sqrt(5e5), rel=1e-3)
    own = PristineStatistics(mean=features.mean(axis=0), covariance=covariance, blocks=1, photographs=1)
    assert niqe(portrait, own) == 0


def test_too_small_or_without_structure():
    side = MIN_SIDE_PX
    random = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    assert niqe(random) > 0
    assert niqe(random[:-1]) is None
    assert niqe(np.full((300, 300, 3), 77, np.uint8)) is None


def test_flat_blocks_are_left_out(portrait):
    half_flat = portrait[:480, :480].copy()
    half_flat[:, :192] = 128
    features, sharpness = block_features(half_flat)
    # 5 rows of 5 blocks; the first column is flat, the second one touches the portrait's edge.
    assert len(features) == len(sharpness) == 20
    assert np.isfinite(features).all()


def test_sharp_blocks_only(portrait):
    features, sharpness = block_features(portrait)
    sharp = sharp_features(portrait)
    assert 0 < len(sharp) < len(features)
    np.testing.assert_array_equal(sharp, features[sharpness >= 0.75 * sharpness.max()])
    assert sharp_features(np.full((200, 200, 3), 5, np.uint8)).shape == (0, 36)


@pytest.mark.parametrize(("shape", "expected"), [("normal", 2.0), ("laplace", 1.0)])
def test_fit_finds_the_distribution(shape, expected):
    samples = getattr(np.random.default_rng(2), shape)(0, 1.5, (3, 200, 200))
    alpha, left, right, mean = asymmetric_gaussian(samples)
    np.testing.assert_allclose(alpha, expected, rtol=0.03)
    # Scale of the generalised Gaussian: sqrt(2) sigma for shape 2, b for shape 1.
    scale = 1.5 * (np.sqrt(2) if shape == "normal" else 1)
    np.testing.assert_allclose(left, scale, rtol=0.05)
    np.testing.assert_allclose(right, scale, rtol=0.05)
    np.testing.assert_allclose(mean, 0, atol=0.06)


def test_fit_tells_left_from_right():
    samples = np.random.default_rng(3).normal(0, 1, (1, 400, 400))
    # Half-Gaussians of deviation 1 and 3, joined so that the density is one curve: 3 in 4 are on the right.
    magnitude = np.abs(samples)
    right_side = np.random.default_rng(4).random(samples.shape) < 0.75
    alpha, left, right, mean = asymmetric_gaussian(np.where(right_side, 3 * magnitude, -magnitude))
    assert alpha[0] == pytest.approx(2, rel=0.03)
    assert left[0] == pytest.approx(np.sqrt(2), rel=0.03)
    assert right[0] == pytest.approx(3 * np.sqrt(2), rel=0.03)
    assert mean[0] == pytest.approx((right[0] - left[0]) / np.sqrt(np.pi), rel=0.03)


def test_fit_of_a_block_without_one_side():
    blocks = np.stack([np.zeros((8, 8)), np.ones((8, 8))])
    assert np.isnan(asymmetric_gaussian(blocks)[0]).all()


def test_statistics_of_the_package():
    statistics = pristine_statistics()
    assert statistics.blocks >= MIN_PRISTINE_BLOCKS
    assert statistics.photographs == 380
    assert statistics.mean.shape == (36,)
    np.testing.assert_array_equal(statistics.covariance, statistics.covariance.T)
    assert np.linalg.eigvalsh(statistics.covariance).min() > 0


def test_fit_and_save(tmp_path):
    features = np.random.default_rng(5).normal(2, 1, (MIN_PRISTINE_BLOCKS, 36))
    statistics = fit_statistics(features, 7)
    statistics.save(tmp_path / "statistics.npz")
    with np.load(tmp_path / "statistics.npz") as arrays:
        np.testing.assert_allclose(arrays["mean"], features.mean(axis=0))
        np.testing.assert_allclose(arrays["covariance"], np.cov(features.T))
        assert (arrays["blocks"], arrays["photographs"]) == (MIN_PRISTINE_BLOCKS, 7)
    with pytest.raises(ValueError, match="999 sharp blocks"):
        fit_statistics(features[:-1], 7)


def test_a_picture_of_odd_size_is_taken_in_the_middle(portrait):
    framed = np.asarray(Image.fromarray(portrait).crop((0, 0, 500, 297)))
    np.testing.assert_array_equal(block_features(framed)[0], block_features(framed[4:292, 10:490])[0])
