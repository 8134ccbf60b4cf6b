"""Colours that a file states without an ICC profile, and profiles that it holds but that cannot be read.

Sources: ITU-T H.273 (code points of AVIF, HEIC and the PNG chunk cICP), W3C PNG third edition (11.3.2),
ICC.1:2022.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from facesr_cli.photo.containers import meta_box

BROKEN = "the colour profile is broken and not kept"
_NOT_KEPT = "colours are stated without a profile, and taken as sRGB"

# Code points of H.273. Transfers 1, 6, 14 and 15 are one curve, which viewers treat as that of sRGB.
_BT709, _UNSPECIFIED, _DISPLAY_P3 = 1, 2, 12
_USUAL_PRIMARIES = (_BT709, _UNSPECIFIED)
_USUAL_TRANSFERS = (1, _UNSPECIFIED, 6, 13, 14, 15)
# What gAMA and cHRM say of sRGB (PNG, table 13): 100000 times 1 / 2.2, white x y, red, green, blue.
_SRGB_GAMMA = 0.45455
_SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_TOLERANCE = 0.01

_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")


def stated_colours(path: Path, image: Image.Image) -> tuple[bytes | None, list[str]]:
    """Return a profile for what a file without a readable one states, and notes of what it cannot express.

    Args:
        path: The file.
        image: Opened from it, not loaded, `icc_profile` of its `info` missing or empty.

    Returns:
        Display P3 with the curve of sRGB where the file says just that, else None; and at most one note.
    """
    if image.format in ("JPEG", "MPO"):
        segments = getattr(image, "applist", [])
        broken = any(name == "APP2" and body.startswith(b"ICC_PROFILE\0") for name, body in segments)
        return None, [BROKEN] if broken else []
    if image.format in ("AVIF", "HEIF"):
        meta = meta_box(path)
        start = meta.find(b"colrnclx")  # ColourInformationBox, ISO/IEC 14496-12
        if start < 0 or len(meta) < start + 12:
            return None, []
        return _of_code_points(image, *struct.unpack_from(">HH", meta, start + 8))
    if image.format == "PNG":
        return _of_png(image, dict(_first_chunks(path)))
    return None, []


def _of_code_points(image: Image.Image, primaries: int, transfer: int) -> tuple[bytes | None, list[str]]:
    usual = transfer in _USUAL_TRANSFERS
    if usual and (primaries in _USUAL_PRIMARIES or image.mode in _GREY_MODES):
        return None, []
    if usual and primaries == _DISPLAY_P3:
        return display_p3(), []
    return None, [_NOT_KEPT]


def _of_png(image: Image.Image, chunks: dict[bytes, bytes]) -> tuple[bytes | None, list[str]]:
    """The chunks in the order in which they outrank each other."""
    cicp = chunks.get(b"cICP", b"")
    if len(cicp) == 4:
        return _of_code_points(image, cicp[0], cicp[1])
    if b"iCCP" in chunks:
        return None, [BROKEN]
    if b"sRGB" in chunks:
        return None, []
    gamma = image.info.get("gamma", _SRGB_GAMMA)
    stated = image.info.get("chromaticity", _SRGB_CHROMATICITIES)
    if image.mode in _GREY_MODES:
        stated = _SRGB_CHROMATICITIES
    usual = all(
        abs(value - other) <= _TOLERANCE
        for value, other in zip((gamma, *stated), (_SRGB_GAMMA, *_SRGB_CHROMATICITIES), strict=False)
    )
    return None, [] if usual else [_NOT_KEPT]


def _first_chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, body) of the chunks of a PNG before its pixels, bodies cut to their first bytes."""
    with path.open("rb") as file:
        file.seek(8)
        while len(header := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", header)
            if name in (b"IDAT", b"IEND"):
                return
            body = file.read(min(length, 16))
            file.seek(length - len(body) + 4, 1)
            yield name, body


def display_p3() -> bytes:
    """Return an ICC profile, version 4: primaries of SMPTE EG 432-1, white D65, the curve of sRGB."""
    # Columns adapted to D50 by Bradford, and that adaptation; the curve is IEC 61966-2-1.
    curve = (
        b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    )
    tags = {
        b"desc": _text("Display P3"),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(0.9642, 1.0, 0.8249),
        b"chad": b"sf32\0\0\0\0"
        + _fixed(1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01707, -0.00925, 0.01508, 0.75168),
        b"rXYZ": b"XYZ \0\0\0\0" + _fixed(0.51512, 0.24120, -0.00105),
        b"gXYZ": b"XYZ \0\0\0\0" + _fixed(0.29198, 0.69225, 0.04189),
        b"bXYZ": b"XYZ \0\0\0\0" + _fixed(0.15710, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    header = struct.pack(">I4xI4s4s4s", start + len(body), 0x04000000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + table + body


def _fixed(*values: float) -> bytes:
    """s15Fixed16Number."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _text(text: str) -> bytes:
    """multiLocalizedUnicodeType with one language."""
    content = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(content), 28) + content
