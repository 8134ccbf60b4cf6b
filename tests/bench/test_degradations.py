from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facesr_cli.bench import degradations
from facesr_cli.bench.degradations import (
    DEGRADATIONS,
    RealParameters,
    apply_real,
    gaussian_blur,
    gaussian_taps,
    halve,
    paper,
    paper_alt,
    real,
    real_parameters,
)

PLAIN = RealParameters(
    blur_sigma=None, resize="area", noise_sigma=0.0, jpeg_quality=98, subsampling_420=False, noise_seed=1
)


def test_blur_has_the_seven_taps_of_the_paper():
    # exp(-k^2 / 50) / sum, k = -3..3, worked out by hand to six places.
    expected = [0.128956, 0.142518, 0.151331, 0.154388, 0.151331, 0.142518, 0.128956]
    taps = gaussian_taps(3, 5.0)
    assert taps == pytest.approx(expected, abs=6e-7)
    assert taps.sum() == pytest.approx(1, abs=1e-15)


def test_impulse_response_is_the_outer_product_of_the_taps():
    impulse = np.zeros((15, 15, 3), np.float32)
    impulse[7, 7] = 1
    taps = gaussian_taps(3, 5.0)
    response = gaussian_blur(impulse, radius_px=3, sigma_px=5.0)
    expected = np.zeros((15, 15))
    expected[4:11, 4:11] = np.outer(taps, taps)
    for channel in range(3):
        np.testing.assert_allclose(response[:, :, channel], expected, atol=1e-8)


def test_border_is_mirrored_without_the_edge_pixel(face):
    image = face.astype(np.float32)
    padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), mode="reflect")
    inner = gaussian_blur(padded, radius_px=3, sigma_px=5.0)[3:-3, 3:-3]
    np.testing.assert_allclose(gaussian_blur(image, radius_px=3, sigma_px=5.0), inner, atol=1e-4)


@pytest.mark.parametrize("name", ["paper", "paper-alt", "bicubic"])
@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_a_constant_photograph_stays_constant(name, level):
    image = np.full((20, 26, 3), level, np.uint8)
    low = DEGRADATIONS[name](image, "x.png")
    assert low.shape == (10, 13, 3)
    assert low.dtype == np.uint8
    assert (low == level).all()


def test_constant_photograph_survives_real_without_noise():
    image = np.full((20, 26, 3), 128, np.uint8)
    assert (apply_real(image, PLAIN) == 128).all()


def test_halving_by_area_is_the_mean_of_four(face):
    image = face.astype(np.float32)
    means = image.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(halve(image, "area"), means, atol=1e-4)


def test_bilinear_halving_is_antialiased():
    # A triangle of four taps, 1/8 3/8 3/8 1/8: the response of an impulse at an even sample.
    image = np.zeros((4, 16, 3), np.float32)
    image[:, 8] = 8
    row = halve(image, "bilinear")[1, :, 0]
    np.testing.assert_allclose(row[3:6], [1, 3, 0], atol=1e-6)


def test_paper_is_not_rounded_between_its_passes(face):
    blurred = gaussian_blur(face.astype(np.float32), radius_px=3, sigma_px=5.0)
    expected = np.clip(np.rint(halve(blurred, "bilinear")), 0, 255)
    np.testing.assert_array_equal(paper(face), expected)
    assert (paper(face) != paper_alt(face)).any()


@pytest.mark.parametrize("name", list(DEGRADATIONS))
def test_odd_sides_lose_their_last_row_and_column(face, name):
    odd = face[:63, :51]
    low = DEGRADATIONS[name](odd, "x.png")
    assert low.shape == (31, 25, 3)
    np.testing.assert_array_equal(low, DEGRADATIONS[name](odd[:62, :50], "x.png"))


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((1, 8, 3), np.uint8)],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match="uint8"):
        paper(image)


def test_real_is_stable_for_a_name_and_different_for_another(face):
    np.testing.assert_array_equal(real(face, name="a.jpg"), real(face, name="a.jpg"))
    assert (real(face, name="a.jpg") != real(face, name="b.jpg")).any()


def test_real_parameters_have_not_moved():
    # Published figures depend on these: they may change only together with a new name for the degradation.
    parameters = real_parameters("x.jpg")
    assert parameters.blur_sigma == pytest.approx(0.8593796163755847)
    assert parameters.noise_sigma == pytest.approx(5.285171524279003)
    assert parameters.resize == "area"
    assert parameters.jpeg_quality == 89
    assert parameters.subsampling_420
    assert parameters.noise_seed == 1774428494815786820


@given(st.text(min_size=1))
def test_real_parameters_stay_in_their_ranges(name):
    parameters = real_parameters(name)
    assert parameters == real_parameters(name)
    assert parameters.blur_sigma is None or 0.2 <= parameters.blur_sigma <= 1.6
    assert parameters.resize in ("area", "bilinear", "bicubic", "lanczos")
    assert 0 <= parameters.noise_sigma <= 6
    assert 65 <= parameters.jpeg_quality <= 98
    assert 0 <= parameters.noise_seed < 2**63


def test_real_draws_every_choice():
    drawn = [real_parameters(f"{index}.jpg") for index in range(400)]
    assert {parameters.resize for parameters in drawn} == set(degradations.RESIZE_NAMES)
    assert {parameters.jpeg_quality for parameters in drawn} == set(range(65, 99))
    assert 150 < sum(parameters.blur_sigma is None for parameters in drawn) < 250
    assert 150 < sum(parameters.subsampling_420 for parameters in drawn) < 250


def test_given_noise_is_scaled_and_added_before_jpeg():
    image = np.full((16, 16, 3), 100, np.uint8)
    noise = np.ones((8, 8, 3), np.float32)
    parameters = RealParameters(
        blur_sigma=1.0,
        resize="bilinear",
        noise_sigma=4.0,
        jpeg_quality=98,
        subsampling_420=False,
        noise_seed=1,
    )
    assert np.abs(apply_real(image, parameters, noise).astype(int) - 104).max() <= 1


def test_noise_has_the_standard_deviation_of_its_parameter(monkeypatch):
    monkeypatch.setattr(degradations, "jpeg_round_trip", lambda image, **_: image)
    parameters = RealParameters(
        blur_sigma=None, resize="area", noise_sigma=5.0, jpeg_quality=98, subsampling_420=False, noise_seed=7
    )
    low = apply_real(np.full((256, 256, 3), 128, np.uint8), parameters).astype(float)
    assert low.std() == pytest.approx(5.0, rel=0.02)
    # Independent channels: a grey noise would have correlation 1.
    assert abs(np.corrcoef(low[:, :, 0].ravel(), low[:, :, 1].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize(("subsampling_420", "expected"), [(True, 2), (False, 0)])
def test_jpeg_has_the_chroma_that_was_asked_for(monkeypatch, face, subsampling_420, expected):
    from PIL import JpegImagePlugin

    seen = []
    opened = Image.open

    def open_and_look(buffer: io.BytesIO) -> Image.Image:
        image = opened(buffer)
        seen.append(JpegImagePlugin.get_sampling(image))
        return image

    monkeypatch.setattr(degradations.Image, "open", open_and_look)
    degradations.jpeg_round_trip(face, quality=80, subsampling_420=subsampling_420)
    assert seen == [expected]
