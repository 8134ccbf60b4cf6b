"""XMP, IPTC, comments and resolution: where each kind of file keeps them, and in which wrapping."""

from __future__ import annotations

import math
import re
import struct
from typing import Any

from PIL import Image

_XMP_TAG, _IPTC_TAG = 700, 33723  # of TIFF: XMP specification part 3; IPTC-IIM as Photoshop registered it
_LONG = 4  # TIFF type of 32-bit numbers
_RESOLUTION_TAG = 282  # XResolution; without it Pillow gives 1 dpi
_IPTC_RESOURCE = 0x0404  # of Photoshop's image resources
_PNG_IPTC = (
    "Raw profile type iptc"  # ImageMagick's convention, which exiftool shares; PNG has none of its own
)
_PNG_XMP = "XML:com.adobe.xmp"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/"

_ORIENTATION_IN_XMP = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>\s*))[0-9]+""")
_SIZES_IN_XMP = tuple(
    (axis, re.compile(rb"((?:" + names + rb""")(?:\s*=\s*["']|>\s*))[0-9]+"""))
    for axis, names in ((0, b"tiff:ImageWidth|exif:PixelXDimension"), (1, b"tiff:ImageLength"))
) + ((1, re.compile(rb"""(exif:PixelYDimension(?:\s*=\s*["']|>\s*))[0-9]+""")),)
_THUMBNAILS_IN_XMP = re.compile(rb"<(xmp|xap):Thumbnails>.*?</\1:Thumbnails>", re.DOTALL)


def read_xmp(image: Image.Image) -> bytes | None:
    """Return the packet of a loaded image with Orientation 1 and without pictures of the old size."""
    packet = image.info.get("xmp") or image.info.get(_PNG_XMP)
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    if not isinstance(packet, bytes) or not packet.strip(b"\0 \r\n\t"):
        return None
    return _THUMBNAILS_IN_XMP.sub(b"", _ORIENTATION_IN_XMP.sub(rb"\g<1>1", packet.rstrip(b"\0")))


def xmp_for_size(packet: bytes, size: tuple[int, int]) -> bytes:
    """Return a packet that states `size` (width, height) wherever it stated one."""
    for axis, pattern in _SIZES_IN_XMP:
        packet = pattern.sub(rb"\g<1>%d" % size[axis], packet)
    return packet


def has_extended_xmp(image: Image.Image) -> bool:
    """Return whether a JPEG continues its XMP in further segments, which Pillow does not join."""
    return any(content.startswith(_EXTENDED_XMP) for _, content in getattr(image, "applist", ()))


def read_iptc(image: Image.Image) -> bytes | None:
    """Return the IPTC-IIM records of a loaded image, without a wrapper."""
    found: Any = None
    resources = image.info.get("photoshop")
    if isinstance(resources, dict):
        found = resources.get(_IPTC_RESOURCE)
    tags: Any = getattr(image, "tag_v2", {})
    if not found and _IPTC_TAG in tags:
        found = _iptc_as_numbers(image) if tags.tagtype[_IPTC_TAG] == _LONG else tags[_IPTC_TAG]
    if not found and isinstance(image.info.get(_PNG_IPTC), str):
        found = _unwrapped_png(image.info[_PNG_IPTC])
    return found if isinstance(found, bytes) and found else None


def iptc_for_jpeg(records: bytes) -> bytes:
    """Return an APP13 segment, marker included; ValueError where it exceeds what a segment holds."""
    content = b"Photoshop 3.0\0" + _photoshop_resource(records)
    if len(content) > 65_533:
        raise ValueError("IPTC is too long")
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def iptc_for_png(records: bytes) -> tuple[str, str]:
    """Return keyword and text of a compressed text chunk."""
    content = _photoshop_resource(records)
    lines = [content.hex()[start : start + 72] for start in range(0, 2 * len(content), 72)]
    return _PNG_IPTC, "\niptc\n" + f"{len(content):8d}\n" + "\n".join(lines) + "\n"


def read_comments(image: Image.Image) -> tuple[tuple[str, str], ...]:
    """Return (keyword, text) of PNG text chunks, or the comment of a JPEG or GIF, of a loaded image."""
    texts: Any = getattr(image, "text", None) or {}
    found = [
        (str(key), str(text))
        for key, text in texts.items()
        if key != _PNG_XMP and not key.startswith("Raw profile type ")
    ]
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        comment = comment.decode("utf-8", "replace")
    if not texts and isinstance(comment, str) and comment.strip("\0 "):
        found.append(("Comment", comment))
    return tuple(found)


def read_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Return the pixels per inch that the container states.

    For JPEG only those of its JFIF segment: Pillow otherwise takes them from EXIF, which travels anyway.
    """
    if image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2):
        return None
    if image.format == "TIFF" and _RESOLUTION_TAG not in getattr(image, "tag_v2", {}):
        return None
    dpi = image.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    try:
        across, down = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    sensible = all(math.isfinite(value) and 1 <= value <= 65_535 for value in (across, down))
    return (across, down) if sensible else None


def _iptc_as_numbers(image: Any) -> bytes | None:
    """Old editors declare the bytes as 32-bit numbers, of which Pillow would keep the first."""
    import tifffile

    with tifffile.TiffFile(image.filename) as file:
        value = file.pages.first.tags.valueof(_IPTC_TAG)
        if isinstance(value, bytes):
            return value.rstrip(b"\0")
        numbers = value if isinstance(value, tuple) else (value,)
        return struct.pack(f"{file.byteorder}{len(numbers)}I", *numbers).rstrip(b"\0")


def _photoshop_resource(records: bytes) -> bytes:
    header = b"8BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(records))
    return header + records + b"\0" * (len(records) % 2)


def _unwrapped_png(text: str) -> bytes | None:
    try:
        content = bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return None
    head = b"8BIM" + struct.pack(">H", _IPTC_RESOURCE)
    if not content.startswith(head):
        return content if content[:1] == b"\x1c" else None  # 28, with which every record begins
    name_length = content[6] + 1 + (content[6] + 1) % 2
    start = 6 + name_length + 4
    (size,) = struct.unpack(">I", content[start - 4 : start]) if len(content) >= start else (0,)
    return content[start : start + size] or None
