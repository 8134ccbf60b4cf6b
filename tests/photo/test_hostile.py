"""Damaged files of every kind: a photograph or a typed failure, whatever the bytes; and any file name."""

from __future__ import annotations

import io
import os
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, features

from facesr_cli.batch.wording import printable
from facesr_cli.errors import PhotoError
from facesr_cli.photo import FileFormat, Photo, bleed, decode, encode, header_size

_VARIANTS = 15
"""Damaged copies of each file; the seed is the file's name, so each run sees the same ones."""


def _pixels(size: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)


def _saved(file_format: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(_pixels())).save(buffer, file_format, **options)
    return buffer.getvalue()


def _tiff16(**options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, _pixels().astype(np.uint16) * 257, photometric="rgb", **options)
    return buffer.getvalue()


def _files(profile: bytes) -> dict[str, bytes]:
    exif = Image.Exif()
    exif[271], exif[274] = "A camera", 6
    around: dict[str, object] = {"exif": exif, "icc_profile": profile}
    frames: dict[str, object] = {"save_all": True, "append_images": [Image.fromarray(_pixels()[::-1])]}
    photo = Photo(
        pixels=_pixels(), format="PNG", icc_profile=profile, iptc=b"\x1c\x02\x05\0\x01a", dpi=(72, 72)
    )
    deep = Photo(
        pixels=_pixels().astype(np.uint16) * 257, format="PNG", alpha=np.full((24, 24), 9, np.uint16)
    )
    files = {
        "jpeg": encode(photo, file_format=FileFormat.JPEG, software="facesr-cli 1"),
        "progressive jpeg": _saved("JPEG", progressive=True, **around),
        "cmyk jpeg": _saved("JPEG", Image.new("CMYK", (24, 24), (9, 8, 7, 6))),
        "png": encode(photo, file_format=FileFormat.PNG, software="facesr-cli 1"),
        "png of 16 bits": encode(deep, file_format=FileFormat.PNG),
        "palette png": _saved("PNG", Image.fromarray(_pixels()).quantize(16), transparency=3),
        "apng": _saved("PNG", **frames),
        "webp": _saved("WEBP", **around),
        "lossless webp": _saved("WEBP", lossless=True),
        "animated webp": _saved("WEBP", **frames),
        "tiff": encode(photo, file_format=FileFormat.TIFF, software="facesr-cli 1"),
        "tiff of 16 bits": encode(deep, file_format=FileFormat.TIFF),
        "deflated tiff of 16 bits": _tiff16(compression="zlib", tile=(16, 16)),
        "pages of tiff": _saved("TIFF", **frames),
        "gif": _saved("GIF", **frames),
        "bmp": _saved("BMP"),
    }
    if features.check("avif"):
        files["avif"] = _saved("AVIF", **around)
    return files


def _damaged(name: str, content: bytes) -> list[bytes]:
    """Cut, flipped, overwritten, with a piece missing or doubled."""
    chance = random.Random(name)
    variants = [content[: len(content) * part // 6] for part in range(1, 6)]
    while len(variants) < _VARIANTS:
        data = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            # Headers are where the trouble is: half of the hits go into the first hundred bytes.
            place = chance.randrange(min(len(data), 100) if chance.random() < 0.5 else len(data))
            data[place] = chance.choice((0, 255, data[place] ^ 1 << chance.randrange(8)))
        if chance.random() < 0.3:
            start = chance.randrange(len(data))
            piece = data[start : start + chance.randint(1, 40)]
            data[start : start + len(piece)] = piece * chance.choice((0, 2))
        variants.append(bytes(data))
    return variants


def _survives(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what it passes over
        try:
            header_size(path)
            photo = bleed(decode(path))
            data = encode(photo, file_format=FileFormat.JPEG, software="facesr-cli 1")
        except PhotoError as error:
            assert error.reason not in ("", "encode-failed", "internal-error"), error
            assert str(path) in str(error)
        else:
            assert data[:2] == b"\xff\xd8"


@pytest.mark.timeout(100)
def test_any_damage_is_a_photograph_or_a_typed_failure(
    tmp_path: Path, display_p3: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)  # damaged sizes need not take real memory
    for name, content in _files(display_p3).items():
        for number, data in enumerate(_damaged(name, content)):
            path = tmp_path / f"{name} {number}"
            path.write_bytes(data or b"\0")
            _survives(path)


@pytest.mark.timeout(100)
def test_damaged_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pillow_heif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    content = encode(Photo(pixels=_pixels(64), format="PNG"), file_format=FileFormat.HEIF)
    for number, data in enumerate(_damaged("heic", content)):
        path = tmp_path / f"{number}.heic"
        path.write_bytes(data)
        _survives(path)


def test_intact_files_of_the_same_corpus_are_read(tmp_path: Path, display_p3: bytes) -> None:
    for name, content in _files(display_p3).items():
        (tmp_path / name).write_bytes(content)
        assert min(decode(tmp_path / name).size) == 24, name


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX only")
def test_names_in_any_bytes(tmp_path: Path) -> None:
    names = [b"caf\xe9.png", b"\xff\xfe.png", b"line\nbreak.png", "写真.png".encode(), b" .png", b"-rf.png"]
    for name in names:
        path = tmp_path / os.fsdecode(name)
        Image.fromarray(_pixels()).save(path)
        assert decode(path).size == (24, 24)
        path.write_bytes(b"\x89PNG")
        with pytest.raises(PhotoError) as caught:
            decode(path)
        assert str(caught.value).startswith(str(path))
        printable(path).encode("utf-8")


def test_a_bomb_that_only_tifffile_can_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planes = np.zeros((3, 64, 64), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for read in (decode, header_size):
        with pytest.raises(PhotoError) as caught:
            read(tmp_path / "a.tif")
        assert caught.value.reason == "too-large"
