"""16-bit photographs with profiles, written with 8 bits or as grey with alpha: the colours stay."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from facesr_cli.batch.stages import enlarged
from facesr_cli.photo import FileFormat, Photo, decode, encode

_COLOUR = (150, 100, 60)


@pytest.mark.parametrize("file_format", [FileFormat.JPEG, FileFormat.WEBP, FileFormat.AVIF])
@pytest.mark.parametrize("name", ["table_profile", "scanner_profile", "display_p3", "srgb_like"])
def test_the_numbers_of_16_bits_are_those_of_8(
    tmp_path: Path, request: pytest.FixtureRequest, write_png16, name: str, file_format: FileFormat
) -> None:
    profile = request.getfixturevalue(name)
    samples = np.full((20, 20, 3), _COLOUR, dtype=np.uint16) * 257
    chunk = (b"iCCP", b"a\0\0" + zlib.compress(profile))
    photo = decode(write_png16(tmp_path / "a.png", samples, extra=chunk))
    doubled = photo.pixels.repeat(2, axis=0).repeat(2, axis=1)
    with Image.open(io.BytesIO(encode(enlarged(photo, doubled), file_format=file_format))) as image:
        assert image.info["icc_profile"] == profile
        assert np.abs(np.asarray(image).astype(int) - _COLOUR).max() <= 2


def test_a_grey_profile_needs_grey_samples_with_alpha_too(tmp_path: Path, grey_profile: bytes) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (9, 7), dtype=np.uint16)
    photo = Photo(
        pixels=np.dstack([values] * 3), alpha=values[::-1], grey=True, format="PNG", icc_profile=grey_profile
    )
    path = tmp_path / "a.tiff"
    path.write_bytes(encode(photo, file_format=FileFormat.TIFF))
    assert tifffile.imread(path).shape == (9, 7, 2)
    again = decode(path)
    assert again.grey and again.icc_profile == grey_profile
    assert np.array_equal(again.pixels, photo.pixels) and np.array_equal(again.alpha, photo.alpha)
