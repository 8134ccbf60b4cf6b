"""Places in a picture that metadata point at, such as faces and the subject: turned and enlarged with it.

EXIF (CIPA DC-008) has SubjectArea and SubjectLocation in pixels of the picture as it is stored, and how many
pixels lie on a unit of the focal plane. XMP has regions with the names of people (Metadata Working Group,
"Guidelines for Handling Image Metadata" 2.0; Microsoft's "People Tagging"), in parts of the stored picture.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from fractions import Fraction

from facesr_cli.photo import exif as tiff_tags
from facesr_cli.photo.exif import Directory, Exif, ExifError, read_exif

_SUBJECT_AREA, _SUBJECT_LOCATION = 0x9214, 0xA214
_FOCAL_ACROSS, _FOCAL_DOWN = 0xA20E, 0xA20F

_NUMBER = rb"""((?:%s)(?:\s*=\s*["']|\s*>)\s*)([0-9.]+(?:[eE][-+]?[0-9]+)?)"""
_IN_AREA = re.compile(_NUMBER % rb"stArea:[xywh]")
_WIDTH_OF_REGIONS = re.compile(_NUMBER % rb"stDim:w")
_HEIGHT_OF_REGIONS = re.compile(_NUMBER % rb"stDim:h")
_AREA = re.compile(rb"<(/?)mwg-rs:Area\b[^<>]*?(/?)>")
_DIMENSIONS = re.compile(rb"<(/?)mwg-rs:AppliedToDimensions\b[^<>]*?(/?)>")
_UNIT = re.compile(rb"""stArea:unit(?:\s*=\s*["']|\s*>)\s*(?!normalized)[a-z]""")
_RECTANGLE = re.compile(rb"""(MPReg:Rectangle(?:\s*=\s*["']|\s*>)\s*)([0-9.eE+\-,\s]+)""")


def turned_exif(exif: bytes | None, orientation: int, size: tuple[int, int]) -> bytes | None:
    """Return EXIF whose subject lies where it is in the upright picture.

    Args:
        exif: A block that states the subject for the stored picture.
        orientation: EXIF Orientation by which the stored picture was turned, 1-8.
        size: (width, height) of the upright picture.
    """

    def turn(camera: Directory, tags: Exif) -> None:
        for tag in (_SUBJECT_AREA, _SUBJECT_LOCATION):
            if values := _shorts(camera, tag, tags):
                x, y, *extent = values
                if orientation >= 5:
                    x, y, extent = y, x, extent[::-1]
                if orientation in (2, 3, 6, 7):
                    x = max(0, size[0] - 1 - x)
                if orientation in (3, 4, 7, 8):
                    y = max(0, size[1] - 1 - y)
                camera.entries[tag] = tags.entry(tiff_tags.SHORT, x, y, *extent)
        if orientation >= 5:
            across, down = (camera.entries.pop(tag, None) for tag in (_FOCAL_ACROSS, _FOCAL_DOWN))
            for tag, entry in ((_FOCAL_ACROSS, down), (_FOCAL_DOWN, across)):
                if entry is not None:
                    camera.entries[tag] = entry

    return exif if orientation == 1 else _changed(exif, turn)


def enlarged_exif(exif: bytes | None, factor: int) -> bytes | None:
    """Return EXIF whose subject and focal plane are those of a picture with `factor` times the sides."""

    def enlarge(camera: Directory, tags: Exif) -> None:
        for tag in (_SUBJECT_AREA, _SUBJECT_LOCATION):
            if values := _shorts(camera, tag, tags):
                larger = [value * factor for value in values]
                if max(larger) < 1 << 16:
                    camera.entries[tag] = tags.entry(tiff_tags.SHORT, *larger)
                else:  # EXIF has no wider type for them
                    del camera.entries[tag]
        for tag in (_FOCAL_ACROSS, _FOCAL_DOWN):
            entry = camera.entries.get(tag)
            if entry is None or entry.kind != tiff_tags.RATIONAL or len(entry.data) != 8:
                continue
            above, below = struct.unpack(f"{tags.order}II", entry.data)
            larger_fraction = Fraction(above * factor, below or 1).limit_denominator(1 << 16)
            if below and larger_fraction.numerator < 1 << 32:
                camera.entries[tag] = tags.entry(
                    tiff_tags.RATIONAL, larger_fraction.numerator, larger_fraction.denominator
                )

    return exif if factor == 1 else _changed(exif, enlarge)


def turned_xmp(packet: bytes, orientation: int) -> bytes:
    """Return a packet in UTF-8 whose regions lie where they are in the upright picture."""
    if orientation == 1:
        return packet

    def turn_area(block: bytes) -> bytes:
        if _UNIT.search(block):  # pixels of whatever size the picture had
            return block
        found = {match[1].strip()[7:8]: float(match[2]) for match in _IN_AREA.finditer(block)}
        if not {b"x", b"y"} <= found.keys():
            return block
        x, y = _turned(found[b"x"], found[b"y"], orientation)
        new = found | {b"x": x, b"y": y}
        if orientation >= 5 and {b"w", b"h"} <= found.keys():
            new |= {b"w": found[b"h"], b"h": found[b"w"]}
        return _IN_AREA.sub(lambda match: match[1] + _text(new[match[1].strip()[7:8]]), block)

    def turn_rectangle(match: re.Match[bytes]) -> bytes:
        try:
            left, top, width, height = map(float, match[2].split(b","))
        except ValueError:
            return match[0]
        x, y = _turned(left + width / 2, top + height / 2, orientation)
        if orientation >= 5:
            width, height = height, width
        return match[1] + b", ".join(map(_text, (x - width / 2, y - height / 2, width, height)))

    def turn_dimensions(block: bytes) -> bytes:
        width, height = _WIDTH_OF_REGIONS.search(block), _HEIGHT_OF_REGIONS.search(block)
        return block if width is None or height is None else _with_dimensions(block, height[2], width[2])

    try:
        packet = _RECTANGLE.sub(turn_rectangle, _in_blocks(packet, _AREA, turn_area))
    except ValueError:  # a number that is none, such as 1.2.3
        return packet
    return _in_blocks(packet, _DIMENSIONS, turn_dimensions) if orientation >= 5 else packet


def enlarged_xmp(packet: bytes | None, factor: int) -> bytes | None:
    """Return a packet whose regions are stated for a picture with `factor` times the sides.

    What was stated for another size than the picture's, such as that before it was cropped, stays so: by that
    readers know that the regions are not of this picture.
    """

    def enlarge(block: bytes) -> bytes:
        width, height = _WIDTH_OF_REGIONS.search(block), _HEIGHT_OF_REGIONS.search(block)
        if width is None or height is None:
            return block
        return _with_dimensions(block, *(_text(factor * float(side[2])) for side in (width, height)))

    if packet is None or factor == 1:
        return packet
    try:
        return _in_blocks(packet, _DIMENSIONS, enlarge)
    except ValueError:  # a number that is none
        return packet


def _changed(exif: bytes | None, change: Callable[[Directory, Exif], None]) -> bytes | None:
    """Return `exif` with its camera directory changed; as it is where it has none."""
    if exif is None:
        return None
    try:
        tags = read_exif(exif)
    except ExifError:
        return exif
    camera = tags.main.directories.get(tiff_tags.CAMERA)
    if camera is None:
        return exif
    change(camera, tags)
    return tags.tobytes()


def _shorts(camera: Directory, tag: int, tags: Exif) -> tuple[int, ...]:
    """The two to four numbers of a place; none where there is none, or no place."""
    entry = camera.entries.get(tag)
    if entry is None or entry.kind != tiff_tags.SHORT or len(entry.data) not in (4, 6, 8):
        return ()
    return struct.unpack(f"{tags.order}{len(entry.data) // 2}H", entry.data)


def _turned(x: float, y: float, orientation: int) -> tuple[float, float]:
    """A point of the stored picture, 0 to 1 each way, in the upright one; in the steps of `decode`."""
    if orientation >= 5:
        x, y = y, x
    if orientation in (2, 3, 6, 7):
        x = 1 - x
    if orientation in (3, 4, 7, 8):
        y = 1 - y
    return x, y


def _text(value: float) -> bytes:
    return b"%.9g" % value


def _with_dimensions(block: bytes, width: bytes, height: bytes) -> bytes:
    block = _WIDTH_OF_REGIONS.sub(lambda match: match[1] + width, block)
    return _HEIGHT_OF_REGIONS.sub(lambda match: match[1] + height, block)


def _in_blocks(packet: bytes, tag: re.Pattern[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """Apply `change` to each element that `tag` finds the ends of, in one pass, whatever is missing.

    `tag` must not look beyond the next `<`, or openings without an end would take quadratic time.
    """
    kept, done, start = [], 0, -1
    for match in tag.finditer(packet):
        if match[1] and start >= 0:  # </...>
            kept += [packet[done:start], change(packet[start : match.end()])]
            done, start = match.end(), -1
        elif not match[1] and match[2]:  # <.../>
            kept += [packet[done : match.start()], change(match[0])]
            done, start = match.end(), -1
        elif not match[1]:
            start = match.start()
    return b"".join((*kept, packet[done:]))
