"""EXIF and XMP: read once, made to fit upright pixels of a new size, handed to the encoder."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PIL import ExifTags, Image

# Tags of the first directory that describe how a file stores its pixels. A TIFF source mixes them with the
# descriptive ones; copied into another file they would contradict it. 330 and 34665+ sub-directories stay out
# too, except EXIF and GPS.
_STORAGE_TAGS = frozenset(
    (254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289)
    + (290, 291, 292, 293, 301, 317, 320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347)
    + tuple(range(512, 533))
    + (700, 33723, 34377, 34675)
)
_ORIENTATION_IN_XMP = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>\s*))[0-9]+""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What `read_metadata` found."""

    exif: bytes | None
    xmp: bytes | None
    orientation: int
    """EXIF Orientation of the stored pixels, 1-8; 1 where there is none or nonsense."""
    notes: tuple[str, ...]


def read_metadata(image: Image.Image) -> Metadata:
    """Return the metadata of a *loaded* Pillow image, orientation already set to 1 inside EXIF and XMP."""
    notes: list[str] = []
    orientation, exif = 1, None
    try:
        tags = image.getexif()
        if not len(tags) and len(image.info.get("exif", b"")) > len(b"Exif\0\0"):
            notes.append("EXIF is damaged and not kept")  # Pillow has only warned
        found = tags.get(ExifTags.Base.Orientation, 1)
        if isinstance(found, int) and 1 <= found <= 8:
            orientation = found
        exif = _upright_exif(tags)
    except (
        Exception
    ) as error:  # EXIF comes from any camera or editor; Pillow's parser raises whatever it hits
        notes.append(f"EXIF is damaged and not kept ({type(error).__name__})")
    if image.info.get("photoshop") or getattr(image, "tag_v2", {}).get(33723):
        notes.append("IPTC is not kept")
    return Metadata(exif=exif, xmp=_upright_xmp(image), orientation=orientation, notes=tuple(notes))


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return `image` turned and mirrored so that a viewer that ignores `orientation` shows it right."""
    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return image if method is None else image.transpose(method)


def exif_for_size(exif: bytes, width: int, height: int) -> Image.Exif:
    """Return `exif` with its pixel dimensions, where it states any, set to those of the new picture."""
    tags = Image.Exif()
    tags.load(exif)
    if ExifTags.IFD.Exif not in tags:
        return tags  # asking for the directory would create an empty one
    camera = tags.get_ifd(ExifTags.IFD.Exif)
    if ExifTags.Base.ExifImageWidth in camera or ExifTags.Base.ExifImageHeight in camera:
        camera[ExifTags.Base.ExifImageWidth] = width
        camera[ExifTags.Base.ExifImageHeight] = height
    return tags


def _upright_exif(tags: Image.Exif) -> bytes | None:
    """Return the descriptive tags as bytes. The embedded thumbnail is left out: it shows the old picture."""
    for tag in _STORAGE_TAGS.intersection(tags):
        del tags[tag]
    if not len(tags):
        return None
    tags[ExifTags.Base.Orientation] = 1
    return tags.tobytes()


def _upright_xmp(image: Image.Image) -> bytes | None:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes) or not packet.strip(b"\0 \r\n\t"):
        return None
    return _ORIENTATION_IN_XMP.sub(rb"\g<1>1", packet.rstrip(b"\0"))
