"""HEIC, with and without the package that reads it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_cli.errors import UnreadablePhotoError, WriteFailedError
from facesr_cli.photo import FileFormat, Photo, decode, encode, header_size


def _ramp() -> np.ndarray:
    rows, columns = np.mgrid[0:64, 0:96]
    return np.stack([columns * 2, rows * 3, 255 - columns * 2], axis=2).astype(np.uint8)


@pytest.mark.parametrize("extra", [{}, {"grey": True}, {"alpha": np.full((64, 96), 200, dtype=np.uint8)}])
def test_same_kind_with_everything(tmp_path: Path, display_p3: bytes, extra: dict) -> None:
    pytest.importorskip("pillow_heif")
    pixels = np.repeat(_ramp()[:, :, :1], 3, axis=2) if extra.get("grey") else _ramp()
    photo = Photo(pixels=pixels, format="HEIF", xmp=b"<x:xmpmeta/>", **extra)
    path = tmp_path / "a.heic"
    path.write_bytes(encode(photo, file_format=FileFormat.HEIF, software="facesr-cli 1, x"))

    assert header_size(path) == (96, 64)
    again = decode(path)
    assert (again.format, again.notes, again.xmp, again.grey) == ("HEIF", (), b"<x:xmpmeta/>", photo.grey)
    assert np.abs(again.pixels.astype(int) - pixels).mean() < 2
    assert (again.alpha is None) == (photo.alpha is None)
    with Image.open(path) as image:
        assert image.getexif()[305] == "facesr-cli 1, x"


def test_profile_and_orientation(tmp_path: Path, display_p3: bytes) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(_ramp()).save(
        tmp_path / "a.heic", quality=95, exif=exif.tobytes(), icc_profile=display_p3
    )
    photo = decode(tmp_path / "a.heic")
    assert photo.size == (64, 96) and photo.icc_profile == display_p3
    data = encode(photo, file_format=FileFormat.HEIF)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (64, 96)
        assert image.info["icc_profile"] == display_p3
        turned = np.rot90(_ramp(), -1).astype(int)
        assert np.abs(np.asarray(image) - turned).mean() < 3


def test_plain_files_and_those_with_further_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    path.write_bytes(encode(Photo(pixels=_ramp(), format="PNG"), file_format=FileFormat.HEIF))
    assert decode(path).notes == ()

    plain_open = Image.open

    def with_gain_map(*args: object) -> Image.Image:
        image = plain_open(*args)
        image.info["aux"] = {"urn:com:apple:photo:2020:aux:hdrgainmap": [3]}
        return image

    monkeypatch.setattr(Image, "open", with_gain_map)
    assert decode(path).notes == ("depth and HDR gain pictures are not kept",)


def test_without_the_package_the_failure_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(100))
    for read in (decode, header_size):
        with pytest.raises(UnreadablePhotoError, match=r"facesr-cli\[heif\]") as caught:
            read(path)
        assert caught.value.reason == "missing-extra"
    with pytest.raises(WriteFailedError, match=r"facesr-cli\[heif\]"):
        encode(Photo(pixels=_ramp(), format="PNG"), file_format=FileFormat.HEIF)


def test_ten_bits_are_said_whatever_stands_before_them(tmp_path: Path, display_p3: bytes) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    profile = display_p3 + bytes(20_000)
    profile = len(profile).to_bytes(4, "big") + profile[4:]
    deep = pillow_heif.from_bytes("RGB;16", (96, 64), (_ramp().astype(np.uint16) * 257).tobytes())
    deep.info["icc_profile"] = profile
    deep.save(tmp_path / "a.heic", quality=90)
    photo = decode(tmp_path / "a.heic")
    assert photo.icc_profile == profile
    assert photo.notes == ("10 bits per sample are reduced to 8",)
