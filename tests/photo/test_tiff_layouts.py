"""TIFFs with layouts that few programs write: read as their tags say, or refused by name."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import TiffImagePlugin

from facesr_cli.errors import UnreadablePhotoError
from facesr_cli.photo import decode


def _noise(channels: int, height: int = 13, width: int = 21) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 65536, (height, width, channels), dtype=np.uint16)


def _directory(path: Path, samples: np.ndarray, **tags: int | tuple[int, ...]) -> Path:
    """A TIFF of one strip whose tags are what `tags` says, by number behind an underscore."""
    height, width, channels = samples.shape
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    sizes = {256: width, 257: height, 258: (samples.itemsize * 8,) * channels, 259: 1, 277: channels}
    sizes |= {278: height, 279: samples.nbytes}
    for tag, value in (sizes | {int(name[1:]): value for name, value in tags.items()}).items():
        directory[tag] = value
    directory[273] = 0
    file = io.BytesIO()
    directory.save(file)
    path.write_bytes(file.getvalue() + samples.tobytes())
    return path


@pytest.mark.parametrize(
    ("channels", "dtype", "tags"),
    [
        (3, "<u2", {"_262": 8}),  # Lab
        (3, "u1", {"_262": 32845}),  # LogLuv
        (5, "u1", {"_262": 5, "_338": 2}),  # CMYK and alpha
        (3, "u1", {"_262": 2, "_258": (12, 12, 12), "_279": 60}),
        (3, "u1", {"_262": 6, "_530": (2, 2)}),  # YCbCr with halved chroma
        (1, "<u2", {"_262": 1, "_258": (10,)}),
    ],
)
def test_layouts_that_nothing_reads_fail_by_name(
    tmp_path: Path, channels: int, dtype: str, tags: dict
) -> None:
    samples = np.zeros((4, 4, channels), dtype=dtype)
    path = _directory(tmp_path / "a.tif", samples, **tags)
    with pytest.raises(UnreadablePhotoError) as caught:
        decode(path)
    assert caught.value.reason == "unsupported-mode"


def test_planes_of_16_bits_with_lzw_fail_by_name(tmp_path: Path) -> None:
    content = io.BytesIO()
    tifffile.imwrite(
        content, np.moveaxis(_noise(3), 2, 0), photometric="rgb", planarconfig="separate", compression="zlib"
    )
    data = bytearray(content.getvalue())
    place = data.index(struct.pack("<HHI", 259, 3, 1))
    data[place + 8 : place + 10] = struct.pack("<H", 5)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(UnreadablePhotoError) as caught:
        decode(tmp_path / "a.tif")
    assert caught.value.reason == "unsupported-mode"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_with_alpha(tmp_path: Path, dtype: type) -> None:
    samples = _noise(2).astype(f"<u{np.dtype(dtype).itemsize}")
    photo = decode(_directory(tmp_path / "a.tif", samples, _262=0, _338=2))
    assert photo.pixels.dtype == dtype and photo.grey
    assert np.array_equal(photo.pixels[:, :, 0], np.iinfo(dtype).max - samples[:, :, 0])
    assert np.array_equal(photo.alpha, samples[:, :, 1])


def test_an_extra_sample_without_meaning_is_no_alpha(tmp_path: Path) -> None:
    samples = _noise(2)
    photo = decode(_directory(tmp_path / "a.tif", samples.astype("<u2"), _262=1, _338=0))
    assert photo.alpha is None
    assert np.array_equal(photo.pixels[:, :, 0], samples[:, :, 0])
