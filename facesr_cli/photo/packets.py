"""XMP, IPTC and resolution: where each kind of file keeps them, and in which wrapping."""

from __future__ import annotations

import io
import math
import re
import struct
from pathlib import Path
from typing import Any

from PIL import Image

from facesr_cli.photo.places import turned_xmp

_IPTC_RESOURCE = 0x0404  # of Photoshop's image resources
# Those of Photoshop, ImageReady and others, as exiftool documents them.
_RESOURCE_SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
_RAW_PROFILE = "raw profile type "  # keyword of ImageMagick for what PNG has no place for; exiftool shares it
_PNG_IPTC = "Raw profile type iptc"
_PNG_XMP = "XML:com.adobe.xmp"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/"
# XMP specification part 3, 1.1.2: in a GIF the packet is no chain of sub-blocks; 1, 255, 254 and on follow.
_GIF_XMP, _GIF_XMP_END = b"\x21\xff\x0bXMP DataXMP", b"\x01\xff\xfe\xfd"
_SAMSUNG_TRAILER, _SAMSUNG_VIDEO = b"SEFT", b"MotionPhoto_Data"  # as exiftool documents them

# An attribute or an element, with the white space that XML allows.
_VALUE = rb"""(?:\s*=\s*["']|\s*>)\s*)"""
_ORIENTATION_IN_XMP = re.compile(rb"(tiff:Orientation" + _VALUE + rb"([0-9]+)")
_SIZES_IN_XMP = tuple(
    (axis, re.compile(rb"((?:" + names + rb")" + _VALUE + rb"[0-9]+"))
    for axis, names in (
        (0, b"tiff:ImageWidth|exif:PixelXDimension"),
        (1, b"tiff:ImageLength|exif:PixelYDimension"),
    )
)
_VIDEO_IN_XMP = re.compile(rb"(Camera:(?:MotionPhoto|MicroVideo)" + _VALUE + rb"1\b")
_THUMBNAILS_IN_XMP = re.compile(rb"<(/?)(?:xmp|xap):Thumbnails>")


def raw_profiles(image: Image.Image, notes: list[str]) -> dict[str, bytes]:
    """Return the blocks that a PNG wraps as hexadecimal text, by their names in lower case.

    A text that is no such block is said in `notes`.
    """
    found: dict[str, bytes] = {}
    for key, text in image.info.items():
        name = key.lower() if isinstance(key, str) else ""
        if not name.startswith(_RAW_PROFILE) or not isinstance(text, str):
            continue
        try:
            found[name.removeprefix(_RAW_PROFILE)] = bytes.fromhex("".join(text.split("\n")[3:]))
        except ValueError:
            notes.append(f"{key!r} is damaged and not kept")
    return found


def exif_block(image: Image.Image, raw: dict[str, bytes]) -> bytes:
    """Return the EXIF of an image that is no TIFF; empty where it has none."""
    block = image.info.get("exif") or raw.get("exif") or raw.get("app1", b"")
    return block if isinstance(block, bytes) and not block.startswith(_JPEG_XMP) else b""


def find_xmp(image: Image.Image, path: Path, raw: dict[str, bytes]) -> bytes | None:
    """Return the packet of an image that is no TIFF as it is stored; text becomes UTF-8."""
    packet: Any = image.info.get("xmp") or image.info.get(_PNG_XMP) or raw.get("xmp")
    if not packet and raw.get("app1", b"").startswith(_JPEG_XMP):
        packet = raw["app1"][len(_JPEG_XMP) :]
    if not packet and image.format == "GIF":
        packet = _between(path, _GIF_XMP, _GIF_XMP_END)
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    return packet if isinstance(packet, bytes) else None


def as_utf8(packet: Any) -> bytes | None:
    """Return a packet in UTF-8, from UTF-8, UTF-16 or UTF-32; None where it is blank."""
    if not isinstance(packet, bytes) or not packet.strip(b"\0 \r\n\t"):
        return None
    for mark, encoding in (
        (b"\xff\xfe\0\0", "utf-32"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"<\0\0\0", "utf-32-le"),
        (b"\0\0\0<", "utf-32-be"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
        (b"<\0", "utf-16-le"),
        (b"\0<", "utf-16-be"),
    ):
        if packet.startswith(mark):
            return packet.decode(encoding, "replace").rstrip("\0").encode("utf-8", "replace")
    return packet.rstrip(b"\0")


def orientation_of_xmp(packet: bytes | None) -> int | None:
    """Return the number that a packet in UTF-8 states, not yet checked; None where there is none."""
    match = None if packet is None else _ORIENTATION_IN_XMP.search(packet)
    return None if match is None else int(match[2][:9])


def upright_xmp(packet: bytes | None, turned: int) -> bytes | None:
    """Return a packet in UTF-8 with Orientation 1, without pictures of the old size and without a video.

    Its regions are turned, like the picture, by the Orientation `turned`.
    """
    if packet is None:
        return None
    packet = _VIDEO_IN_XMP.sub(rb"\g<1>0", _ORIENTATION_IN_XMP.sub(rb"\g<1>1", packet))
    return turned_xmp(_without_thumbnails(packet), turned)


def has_video(image: Image.Image, path: Path, xmp: bytes | None) -> bool:
    """Return whether a JPEG is a motion photo: with a film behind the picture, which Pillow passes over."""
    if image.format not in ("JPEG", "MPO"):
        return False
    if xmp is not None and _VIDEO_IN_XMP.search(xmp):
        return True
    with path.open("rb") as file:
        file.seek(-len(_SAMSUNG_TRAILER), io.SEEK_END)  # no photograph is shorter
        if file.read() != _SAMSUNG_TRAILER:
            return False
    return _SAMSUNG_VIDEO in path.read_bytes()


def xmp_for_size(packet: bytes, size: tuple[int, int]) -> bytes:
    """Return a packet that states `size` (width, height) wherever it stated one."""
    for axis, pattern in _SIZES_IN_XMP:
        packet = pattern.sub(rb"\g<1>%d" % size[axis], packet)
    return packet


def has_extended_xmp(image: Image.Image) -> bool:
    """Return whether a JPEG continues its XMP in further segments, which Pillow does not join."""
    return any(content.startswith(_EXTENDED_XMP) for _, content in getattr(image, "applist", ()))


def find_iptc(image: Image.Image, raw: dict[str, bytes]) -> bytes | None:
    """Return the IPTC-IIM records of an image that is no TIFF, without a wrapper.

    Raises:
        ValueError: They are wrapped in something damaged.
    """
    resources = image.info.get("photoshop")
    found = resources.get(_IPTC_RESOURCE) if isinstance(resources, dict) else None
    if isinstance(found, bytes) and found:
        return found
    for name in ("iptc", "8bim"):
        content = raw.get(name, b"")
        if content[:1] == b"\x1c":  # 28, with which every record begins
            return content
        if found := iptc_of_resources(content.removeprefix(b"Photoshop 3.0\0")):
            return found
    return None


def iptc_of_resources(content: bytes) -> bytes | None:
    """Return the IPTC-IIM records in a block of Photoshop's image resources; None where it holds none.

    Raises:
        ValueError: The block is damaged in front of them.
    """
    start = 0
    while start + 12 <= len(content):
        # Signature, number, name with its length in front, padded to even; size; data, padded to even.
        if content[start : start + 4] not in _RESOURCE_SIGNATURES:
            if content[start:].strip(b"\0"):
                raise ValueError("no image resource")
            return None  # padding
        (number,) = struct.unpack_from(">H", content, start + 4)
        name_bytes = content[start + 6] + 1
        start += 6 + name_bytes + name_bytes % 2
        if start + 4 > len(content):
            raise ValueError("image resources are cut short")
        (size,) = struct.unpack_from(">I", content, start)
        if start + 4 + size > len(content):
            raise ValueError("image resources are cut short")
        if number == _IPTC_RESOURCE:
            return content[start + 4 : start + 4 + size] or None
        start += 4 + size + size % 2
    return None


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


def read_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Return the pixels per inch that a container other than TIFF states.

    For JPEG only those of its JFIF segment: Pillow otherwise takes them from EXIF, which travels anyway.
    """
    if image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2):
        return None
    dpi = image.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    try:
        across, down = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return sensible_dpi(across, down)


def sensible_dpi(across: float, down: float) -> tuple[float, float] | None:
    """Return the two as they are, or None where they are nothing that a file can state."""
    sensible = all(math.isfinite(value) and 1 <= value <= 65_535 for value in (across, down))
    return (across, down) if sensible else None


def _without_thumbnails(packet: bytes) -> bytes:
    """In one pass: one expression for the whole takes quadratic time for beginnings without an end."""
    kept, start, opened = [], 0, False
    for match in _THUMBNAILS_IN_XMP.finditer(packet):
        if opened == bool(match[1]):
            if not opened:
                kept.append(packet[start : match.start()])
                start = match.start()
            else:
                start = match.end()
            opened = not opened
    return b"".join((*kept, packet[start:]))


def _between(path: Path, first: bytes, last: bytes) -> bytes | None:
    content = path.read_bytes()
    start = content.find(first)
    end = content.find(last, start)
    return content[start + len(first) : end] if 0 <= start < end else None


def _photoshop_resource(records: bytes) -> bytes:
    header = b"8BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(records))
    return header + records + b"\0" * (len(records) % 2)
