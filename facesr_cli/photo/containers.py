"""What the first bytes of a file say that Pillow does not: its kind, bits per sample, whether it is exact."""

from __future__ import annotations

import struct
from pathlib import Path

from PIL import Image

_LOSSLESS_FORMATS = frozenset({"PNG", "BMP", "DIB", "GIF", "PPM", "TGA", "PCX", "SGI", "QOI", "ICO"})
_LOSSY_IN_TIFF = frozenset({"jpeg", "tiff_jpeg", "webp"})
_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_META_BYTES = 16 * 2**20
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


def meta_box(path: Path) -> bytes:
    """Return the `meta` box of an AVIF or HEIC (ISO/IEC 14496-12), where properties are; none elsewhere."""
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", header)
            if size < 8 or not name.isalnum():  # also sizes of 64 bits and "to the end": that is media data
                break
            if name == b"meta":
                return file.read(min(size - 8, _MAX_META_BYTES))
            file.seek(size - 8, 1)
    return b""


def stated_depth(image: Image.Image, meta: bytes) -> int:
    """Return the bits per sample of an AVIF or HEIC, which Pillow hands out as 8; 8 for other kinds."""
    if image.format not in ("AVIF", "HEIF"):
        return 8
    depth = int(image.info.get("bit_depth", 8))  # of HEIC
    start = meta.find(b"pixi")  # PixelInformationProperty, ISO/IEC 23008-12: version, count, bits of each
    if start < 0 or len(meta) < start + 10:
        return depth
    bits = meta[start + 9 : start + 9 + meta[start + 8]]
    return max(depth, max(bits, default=8))


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
