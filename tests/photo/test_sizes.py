"""Sizes that break assumptions, in every format; and which kinds of file stay exact."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_cli.batch.stages import enlarged
from facesr_cli.photo import FileFormat, Photo, bleed, decode, encode

_FORMATS = [kind for kind in FileFormat if kind is not FileFormat.HEIF]


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (5000, 3), (1, 2), (17, 31)])
@pytest.mark.parametrize("file_format", _FORMATS)
def test_any_size_doubles(
    tmp_path: Path, display_p3: bytes, file_format: FileFormat, size: tuple[int, int]
) -> None:
    width, height = size
    source = np.random.default_rng(1).integers(0, 256, (height, width, 4), dtype=np.uint8)
    source[0, 0, 3] = 0
    Image.fromarray(source).save(tmp_path / "a.png", icc_profile=display_p3)
    photo = bleed(decode(tmp_path / "a.png"))
    larger = enlarged(photo, np.repeat(np.repeat(photo.pixels, 2, 0), 2, 1))
    (tmp_path / "b").write_bytes(encode(larger, file_format=file_format))
    assert decode(tmp_path / "b").size == (2 * width, 2 * height)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (3, 5000)])
@pytest.mark.parametrize("file_format", [FileFormat.PNG, FileFormat.TIFF])
def test_any_size_in_16_bits(tmp_path: Path, file_format: FileFormat, size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.random.default_rng(1).integers(0, 65536, (height, width, 3), dtype=np.uint16)
    (tmp_path / "b").write_bytes(encode(Photo(pixels=pixels, format="PNG"), file_format=file_format))
    assert np.array_equal(decode(tmp_path / "b").pixels, pixels)


@pytest.mark.parametrize(
    ("file_format", "options", "lossless"),
    [
        ("PNG", {}, True),
        ("TIFF", {}, True),
        ("TIFF", {"compression": "jpeg"}, False),
        ("BMP", {}, True),
        ("WEBP", {"lossless": True}, True),
        ("WEBP", {"lossless": True, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}, True),
        ("WEBP", {}, False),
        ("JPEG", {}, False),
        ("AVIF", {}, False),
    ],
)
def test_webp_is_lossless_where_the_source_was(
    tmp_path: Path, colours: np.ndarray, file_format: str, options: dict, lossless: bool
) -> None:
    Image.fromarray(colours).save(tmp_path / "a", file_format, **options)
    photo = decode(tmp_path / "a")
    assert photo.lossless == lossless
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.WEBP))) as image:
        assert np.array_equal(np.asarray(image), photo.pixels) == lossless
    asked_for = encode(photo, file_format=FileFormat.WEBP, quality=80)
    with Image.open(io.BytesIO(asked_for)) as image:
        assert not np.array_equal(np.asarray(image), photo.pixels), "--quality asks for a lossy file"
