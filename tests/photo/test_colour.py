"""Colour profiles: out to sRGB and back, and profiles that do not fit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from facesr_cli.photo import FileFormat, decode, encode
from facesr_cli.photo.profile import is_srgb


def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_p3_returns_exactly_and_keeps_its_profile(
    tmp_path: Path, display_p3: bytes, colours: np.ndarray
) -> None:
    Image.fromarray(colours).save(tmp_path / "a.png", icc_profile=display_p3)

    photo = decode(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(encode(photo, file_format=FileFormat.PNG))

    with Image.open(tmp_path / "b.png") as again:
        assert again.info["icc_profile"] == display_p3
        assert np.array_equal(np.asarray(again), colours), "a red that sRGB does not hold must come back too"


def test_the_network_sees_srgb(tmp_path: Path, display_p3: bytes) -> None:
    Image.new("RGB", (4, 4), (200, 100, 100)).save(tmp_path / "a.png", icc_profile=display_p3)
    red, green, blue = (int(value) for value in decode(tmp_path / "a.png").pixels[0, 0])
    # The same colour needs more saturated numbers in the smaller space.
    assert red > 200 and green < 100 and blue < 100
    assert abs(red - 216) <= 3 and abs(green - 93) <= 4


def test_srgb_profile_is_recognised_and_leaves_values_alone(tmp_path: Path, colours: np.ndarray) -> None:
    profile = _srgb_profile()
    assert is_srgb(profile)
    Image.fromarray(colours).save(tmp_path / "a.png", icc_profile=profile)
    photo = decode(tmp_path / "a.png")
    assert photo.residual is None
    assert np.array_equal(photo.pixels, colours)
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.JPEG))) as again:
        assert again.info["icc_profile"] == profile


def test_grey_profile_is_carried_along(tmp_path: Path, grey_profile: bytes) -> None:
    Image.linear_gradient("L").save(tmp_path / "a.tiff", icc_profile=grey_profile)
    photo = decode(tmp_path / "a.tiff")
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.PNG))) as again:
        assert again.mode == "L"
        assert again.info["icc_profile"] == grey_profile


def test_webp_has_no_grey_so_its_pixels_are_converted(tmp_path: Path, grey_profile: bytes) -> None:
    Image.new("L", (16, 16), 128).save(tmp_path / "a.png", icc_profile=grey_profile)
    data = encode(decode(tmp_path / "a.png"), file_format=FileFormat.WEBP)
    with Image.open(io.BytesIO(data)) as again:
        assert again.info.get("icc_profile") is None
        assert np.asarray(again).mean() > 140, "gamma 1.8 is lighter than sRGB at the same number"


def test_cmyk_goes_through_its_profile(tmp_path: Path, cmyk_profile: bytes) -> None:
    # Cyan alone is white in this odd profile, so a conversion without it would be seen.
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.tiff", icc_profile=cmyk_profile)
    photo = decode(tmp_path / "a.tiff")
    assert photo.pixels.min() > 240
    assert photo.icc_profile is None
    assert photo.notes == ("CMYK is converted to sRGB",)


def test_untagged_cmyk_jpeg_is_said_to_be_rough(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.jpg")
    photo = decode(tmp_path / "a.jpg")
    assert photo.pixels.min() > 250
    assert photo.notes == ("CMYK without a usable profile is converted to RGB roughly",)


def test_broken_and_misfitting_profiles_are_dropped_and_said(tmp_path: Path, display_p3: bytes) -> None:
    Image.new("RGB", (4, 4), (10, 20, 30)).save(tmp_path / "a.png", icc_profile=b"not a profile")
    Image.new("L", (4, 4), 9).save(tmp_path / "b.tiff", icc_profile=display_p3)
    broken, misfit = decode(tmp_path / "a.png"), decode(tmp_path / "b.tiff")
    assert broken.pixels[0, 0].tolist() == [10, 20, 30]
    assert broken.icc_profile is None and misfit.icc_profile is None
    assert broken.notes == ("the colour profile is broken and not kept",)
    assert misfit.notes == ("the colour profile is for RGB, not for grey pixels, and not kept",)
