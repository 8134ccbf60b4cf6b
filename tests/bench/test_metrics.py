from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from facesr_cli.bench.metrics import psnr_db, psnr_y_db
from facesr_cli.bench.similarity import score, ssim


def flat(level: int) -> np.ndarray:
    return np.full((12, 12, 3), level, np.uint8)


def test_psnr_by_hand():
    # An error of 5 everywhere: 20 log10(255 / 5).
    assert psnr_db(flat(105), flat(100)) == pytest.approx(34.15140, abs=1e-5)
    one_sample = flat(100)
    one_sample[0, 0, 0] = 110
    # MSE = 100 / 432
    assert psnr_db(one_sample, flat(100)) == pytest.approx(10 * math.log10(255**2 * 432 / 100))


def test_psnr_is_that_of_scikit_image():
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 256, (16, 12, 3), dtype=np.uint8) for _ in range(2))
    expected = peak_signal_noise_ratio(first, second, data_range=255)
    assert psnr_db(first, second) == pytest.approx(expected, abs=1e-9)
    assert psnr_db(first, first) == math.inf


def test_equal_pictures(face):
    assert psnr_db(face, face) == math.inf
    assert psnr_y_db(face, face, 2) == math.inf
    assert ssim(face, face) == pytest.approx(1.0)


def test_ssim_of_two_flat_pictures_is_the_luminance_term():
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 120 + c1) / (100**2 + 120**2 + c1)
    assert ssim(flat(120), flat(100)) == pytest.approx(expected)


def test_luma_of_a_grey_error_is_studio_range():
    # Equal errors of 5 in R, G and B change studio-range luma by 5 * 219 / 255.
    assert psnr_y_db(flat(105), flat(100), 2) == pytest.approx(20 * math.log10(255 / (5 * 219 / 255)))


def test_luma_weighs_green_most():
    def error_in(channel: int) -> float:
        other = flat(100)
        other[:, :, channel] += 9
        return psnr_y_db(other, flat(100), 0)

    red, green, blue = (error_in(channel) for channel in range(3))
    assert green < red < blue
    assert green == pytest.approx(20 * math.log10(255 / (9 * 128.553 / 255)))


def test_border_is_left_out_of_luma_only():
    edged = flat(100)
    edged[0], edged[-1], edged[:, 0], edged[:, -1] = 0, 0, 0, 0
    assert psnr_y_db(edged, flat(100), 1) == math.inf
    assert psnr_y_db(edged, flat(100), 0) < 30
    assert psnr_db(edged, flat(100)) < 30


def test_score_gathers_the_three(face):
    other = face[::-1].copy()
    scores = score(other, face, border=2)
    assert scores.psnr_db == psnr_db(other, face)
    assert scores.ssim == ssim(other, face)
    assert scores.psnr_y_db == psnr_y_db(other, face, 2)


@pytest.mark.parametrize("metric", [psnr_db, ssim, lambda a, b: psnr_y_db(a, b, 2)])
def test_what_cannot_be_compared_is_refused(metric, face):
    with pytest.raises(ValueError, match="the result is"):
        metric(face[:-1], face)
    with pytest.raises(ValueError, match="uint8"):
        metric(face.astype(np.float32), face)


def test_border_that_leaves_nothing():
    with pytest.raises(ValueError, match="leaves nothing"):
        psnr_y_db(flat(1), flat(2), 6)
