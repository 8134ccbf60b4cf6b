"""Colours after enlarging: those that bicubic interpolation gives in the profile of the file itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage.color import deltaE_ciede2000, xyz2lab

from facesr_cli.batch.stages import enlarged
from facesr_cli.photo import FileFormat, Photo, decode, encode
from facesr_cli.photo.matrix import convert, matrix_profile, srgb
from facesr_cli.photo.planes import lanczos, lanczos_rows
from facesr_cli.photo.profile import from_srgb, to_srgb

# Gamma of the profiles in conftest.py.
_GAMMA = {"display_p3": 2.2, "adobe_rgb": 563 / 256, "prophoto": 1.8}


def _portrait_like(dtype: type) -> np.ndarray:
    """(60, 80, 3): skin-like shading, hard edges, and patches as saturated as the colour space can be."""
    rows, columns = np.mgrid[0:60, 0:80] / 80.0
    pixels = np.stack([0.5 + 0.4 * columns, 0.3 + 0.3 * rows, 0.25 + 0.2 * columns], axis=2)
    for index, colour in enumerate(((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 1))):
        pixels[8:22, 4 + 12 * index : 12 + 12 * index] = colour
    return np.rint(pixels * np.iinfo(dtype).max).astype(dtype)


def _bicubic(pixels: np.ndarray) -> np.ndarray:
    channels = []
    for channel in range(3):
        image = Image.fromarray(pixels[:, :, channel].astype(np.float32))
        size = (2 * image.width, 2 * image.height)
        channels.append(np.asarray(image.resize(size, Image.Resampling.BICUBIC)))
    limit = np.iinfo(pixels.dtype).max
    return np.clip(np.rint(np.stack(channels, axis=2)), 0, limit).astype(pixels.dtype)


def _lab(pixels: np.ndarray, profile: bytes, gamma: float) -> np.ndarray:
    linear = (pixels / np.iinfo(pixels.dtype).max) ** gamma
    return xyz2lab(linear @ matrix_profile(profile).to_xyz.T, illuminant="D50")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", sorted(_GAMMA))
def test_mean_ciede2000_against_bicubic_in_the_profile_is_under_1(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, dtype: type
) -> None:
    profile, source = request.getfixturevalue(name), _portrait_like(dtype)
    pixels, residual = to_srgb(source, profile)
    photo = Photo(pixels=pixels, residual=residual, icc_profile=profile, format="PNG")
    (tmp_path / "a.png").write_bytes(encode(photo, file_format=FileFormat.PNG))

    read = decode(tmp_path / "a.png")
    larger = enlarged(read, _bicubic(read.pixels))  # the network's part, done by bicubic
    ours = from_srgb(larger.pixels, larger.residual, profile)

    gamma = _GAMMA[name]
    difference = deltaE_ciede2000(_lab(ours, profile, gamma), _lab(_bicubic(source), profile, gamma))
    assert difference.mean() < 1
    red = np.s_[24:36, 14:18]
    assert (
        deltaE_ciede2000(_lab(ours[red], profile, gamma), _lab(_bicubic(source)[red], profile, gamma)).max()
        < 1
    ), "a red of the profile stays that red"


def test_a_grey_profile_changes_no_number(tmp_path: Path, grey_profile: bytes) -> None:
    values = _portrait_like(np.uint8)[:, :, 0]
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=grey_profile)
    photo = decode(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(
        encode(enlarged(photo, _bicubic(photo.pixels)), file_format=FileFormat.PNG)
    )
    with Image.open(tmp_path / "b.png") as image:
        assert np.array_equal(np.asarray(image), _bicubic(np.dstack([values] * 3))[:, :, 0])
        assert image.info["icc_profile"] == grey_profile


@pytest.mark.parametrize("name", sorted(_GAMMA))
def test_16_bits_convert_as_littlecms_does(request: pytest.FixtureRequest, name: str) -> None:
    profile = request.getfixturevalue(name)
    pixels = np.random.default_rng(3).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    wide = convert(pixels.astype(np.uint16) * 257, matrix_profile(profile), srgb())
    assert np.abs(wide / 257 - to_srgb(pixels, profile)[0]).max() <= 1.5


def test_16_bit_colours_return_exactly(prophoto: bytes) -> None:
    pixels = np.random.default_rng(3).integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    converted, residual = to_srgb(pixels, prophoto)
    assert not np.array_equal(converted, pixels)
    assert np.array_equal(from_srgb(converted, residual, prophoto), pixels)


def test_curves_of_every_kind(srgb_like: bytes) -> None:
    assert ImageCms.createProfile("sRGB")  # LittleCMS writes it with a parametric curve of kind 3
    built_in = matrix_profile(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    sampled = matrix_profile(srgb_like)
    for profile in (built_in, sampled):
        assert profile is not None
        assert np.abs(profile.curves[0] - srgb().curves[0]).max() < 2e-4
        assert np.abs(profile.to_xyz - srgb().to_xyz).max() < 2e-3


@pytest.mark.parametrize("cut", [0, 100, 140, 200, 300])
def test_broken_profiles_are_no_matrix(display_p3: bytes, cut: int) -> None:
    assert matrix_profile(display_p3[:cut]) is None


def test_bands_of_rows_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    plane = np.random.default_rng(5).integers(-3000, 3000, (33, 7, 3)).astype(np.int16)
    whole = lanczos(plane, 14, 66)
    bands = [lanczos_rows(plane, 14, 66, top, min(top + 5, 66)) for top in range(0, 66, 5)]
    assert np.array_equal(np.concatenate(bands), whole)
    monkeypatch.setattr("facesr_cli.photo.bands.BAND_PIXELS", 100)
    assert np.array_equal(lanczos(plane, 14, 66), whole)


def test_large_pictures_are_converted_in_bands(monkeypatch: pytest.MonkeyPatch, display_p3: bytes) -> None:
    source = _portrait_like(np.uint8)
    pixels, residual = to_srgb(source, display_p3)
    larger = _bicubic(pixels)
    whole = from_srgb(larger, residual, display_p3)
    monkeypatch.setattr("facesr_cli.photo.bands.BAND_PIXELS", 500)
    assert np.array_equal(to_srgb(source, display_p3)[0], pixels)
    assert np.array_equal(from_srgb(larger, residual, display_p3), whole)
