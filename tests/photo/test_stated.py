"""Colours that are stated without an ICC profile, and profiles that cannot be read."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from facesr_cli.photo import FileFormat, decode, encode
from facesr_cli.photo.matrix import matrix_profile
from facesr_cli.photo.stated import display_p3 as built_in

_BROKEN = ("the colour profile is broken and not kept",)
_NOT_KEPT = ("colours are stated without a profile, and taken as sRGB",)
_PIXELS = np.full((64, 64, 3), (200, 100, 100), dtype=np.uint8)
_ADOBE = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
_SRGB = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def _png(path: Path, *chunks: tuple[bytes, bytes], mode: str = "RGB") -> Path:
    content = io.BytesIO()
    Image.fromarray(_PIXELS).convert(mode).save(content, "PNG")
    extra = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    path.write_bytes(content.getvalue()[:33] + extra + content.getvalue()[33:])
    return path


def _avif(path: Path, primaries: int, transfer: int) -> Path:
    Image.fromarray(_PIXELS).save(path, "AVIF", quality=95)
    data = path.read_bytes()
    place = data.index(b"colrnclx") + 8
    path.write_bytes(data[:place] + struct.pack(">HH", primaries, transfer) + data[place + 4 :])
    return path


def test_the_built_in_profile_is_display_p3() -> None:
    profile = built_in()
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert ImageCms.getProfileDescription(opened).strip() == "Display P3"
    own = matrix_profile(profile)
    assert own is not None
    assert np.abs(own.to_xyz.sum(axis=1) - [0.9642, 1.0, 0.8249]).max() < 1e-3, "white is D50"


def test_display_p3_without_a_profile_gets_one(tmp_path: Path) -> None:
    for path in (
        _png(tmp_path / "a.png", (b"cICP", bytes((12, 13, 0, 1)))),
        _avif(tmp_path / "a.avif", 12, 13),
    ):
        photo = decode(path)
        assert photo.icc_profile == built_in() and photo.notes == ()
        assert np.abs(photo.pixels[20, 20].astype(int) - [216, 93, 96]).max() <= 4
        with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.PNG))) as again:
            assert np.abs(np.asarray(again).astype(int) - _PIXELS).max() <= 3


def test_display_p3_of_heic(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    how = {"color_primaries": 12, "transfer_characteristics": 13, "matrix_coefficients": 6}
    Image.fromarray(_PIXELS).save(tmp_path / "a.heic", quality=95, save_nclx_profile=True, **how)
    photo = decode(tmp_path / "a.heic")
    assert photo.icc_profile == built_in() and photo.notes == ()


@pytest.mark.parametrize("chunk", [(b"cICP", bytes((9, 16, 0, 1))), (b"gAMA", struct.pack(">I", 100_000))])
def test_other_stated_colours_are_said_not_to_be_kept(tmp_path: Path, chunk: tuple[bytes, bytes]) -> None:
    assert decode(_png(tmp_path / "a.png", chunk)).notes == _NOT_KEPT
    assert decode(_png(tmp_path / "a.png", (b"cHRM", _ADOBE))).notes == _NOT_KEPT
    assert decode(_avif(tmp_path / "a.avif", 9, 16)).notes == _NOT_KEPT


def test_stated_srgb_needs_no_note(tmp_path: Path) -> None:
    gamma = (b"gAMA", struct.pack(">I", 45455))
    for chunks in ([gamma, (b"cHRM", _SRGB)], [(b"sRGB", b"\0")], [(b"cICP", bytes((1, 13, 0, 1)))]):
        photo = decode(_png(tmp_path / "a.png", *chunks))
        assert photo.notes == () and photo.icc_profile is None
    assert decode(_avif(tmp_path / "a.avif", 1, 13)).notes == ()
    grey = decode(_png(tmp_path / "a.png", (b"cICP", bytes((12, 13, 0, 1))), mode="L"))
    assert grey.grey and grey.icc_profile is None and grey.notes == ()


def test_profiles_that_cannot_be_unpacked_are_said(tmp_path: Path, display_p3: bytes) -> None:
    assert decode(_png(tmp_path / "a.png", (b"iCCP", b"a\0\0not deflated"))).notes == _BROKEN
    Image.fromarray(_PIXELS).save(tmp_path / "a.jpg", icc_profile=display_p3)
    data = (tmp_path / "a.jpg").read_bytes()
    place = data.index(b"ICC_PROFILE\0") + 13
    assert data[place] == 1
    (tmp_path / "a.jpg").write_bytes(data[:place] + b"\2" + data[place + 1 :])  # one of two, it says
    assert decode(tmp_path / "a.jpg").notes == _BROKEN
