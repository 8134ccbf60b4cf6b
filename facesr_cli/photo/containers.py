"""What the first bytes of a file say that Pillow does not: its kind, bits per sample, whether it is exact."""

from __future__ import annotations

import struct
from pathlib import Path

from PIL import Image

_LOSSLESS_FORMATS = frozenset({"PNG", "BMP", "DIB", "GIF", "PPM", "TGA", "PCX", "SGI", "QOI", "ICO"})
_LOSSY_IN_TIFF = frozenset({"jpeg", "tiff_jpeg", "webp"})
_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})


def first_bytes(path: Path, count: int = 16) -> bytes:
    """Return the first bytes of a file; none where it has gone between two reads."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def is_tiff(path: Path) -> bool:
    """Return whether the file begins like a TIFF, BigTIFF included."""
    return first_bytes(path).startswith(_TIFF_HEADS)


def is_heif(head: bytes) -> bool:
    """Return whether the first 16 bytes are those of HEIC; also of AVIF that names only the container."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def is_avif(head: bytes) -> bool:
    """Return whether the first 16 bytes are those of AVIF."""
    return head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis")


def is_lossless(pillow_format: str, compression: str, path: Path) -> bool:
    """Return whether the pixels in a file are exactly those of whoever saved it.

    AVIF and HEIC can be, but do not say so anywhere that is quick to read; they count as lossy.
    """
    if pillow_format == "TIFF":
        return compression not in _LOSSY_IN_TIFF
    if pillow_format == "WEBP":
        return _webp_is_lossless(path)
    return pillow_format in _LOSSLESS_FORMATS


def stated_depth(image: Image.Image, head: bytes) -> int:
    """Return the bits per sample of an AVIF or HEIC, which Pillow hands out as 8; 8 for other kinds."""
    if image.format not in ("AVIF", "HEIF"):
        return 8
    start = head.find(b"pixi")  # PixelInformationProperty, ISO/IEC 23008-12: version, count, bits of each
    if start < 0 or len(head) < start + 10:
        return 8
    count = head[start + 8]
    return max(head[start + 9 : start + 9 + count], default=8)


def _webp_is_lossless(path: Path) -> bool:
    """Walk the chunks to the first picture: `VP8L` is exact, `VP8 ` is not. An animation counts as lossy."""
    with path.open("rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            if name in (b"VP8L", b"VP8 ", b"ANIM"):
                return bool(name == b"VP8L")
            file.seek(size + size % 2, 1)
    return False
