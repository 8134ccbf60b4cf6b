"""EXIF and all that is found around the pixels: read once, made to fit upright pixels of a new size."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from PIL import ExifTags, Image

from facesr_cli.photo import packets

# Tags of the first directory that describe how a file stores its pixels. A TIFF source mixes them with the
# descriptive ones; copied into another file they would contradict it. 330 and 34665+ sub-directories stay out
# too, except EXIF and GPS. XMP, IPTC and the profile travel on their own.
_STORAGE_TAGS = frozenset(
    (254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289)
    + (290, 291, 292, 293, 301, 317, 320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347)
    + tuple(range(512, 533))
    + (700, 33723, 34377, 34675)
)
_PREFIX = b"Exif\0\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What `read_metadata` found; the fields are those of `Photo`."""

    exif: bytes | None
    xmp: bytes | None
    iptc: bytes | None
    comments: tuple[tuple[str, str], ...]
    dpi: tuple[float, float] | None
    orientation: int
    """EXIF Orientation of the stored pixels, 1-8; 1 where there is none or nonsense."""
    notes: tuple[str, ...]


def read_metadata(image: Image.Image) -> Metadata:
    """Return the metadata of a *loaded* Pillow image, orientation already set to 1 inside EXIF and XMP."""
    notes: list[str] = []
    orientation, exif = 1, None
    try:
        tags = image.getexif()
        if not len(tags) and _is_damaged(image.info.get("exif") or b""):
            notes.append("EXIF is damaged and not kept")  # Pillow has only warned
        found = tags.get(ExifTags.Base.Orientation, 1)
        if isinstance(found, int) and 1 <= found <= 8:
            orientation = found
        exif = _upright_exif(tags)
    except Exception as error:  # EXIF is of any camera or editor; Pillow's parser raises whatever it hits
        notes.append(f"EXIF is damaged and not kept ({type(error).__name__})")
    iptc = None
    try:
        iptc = packets.read_iptc(image)
    except Exception as error:  # the same boundary: no wrapper of IPTC is worth a photograph
        notes.append(f"IPTC is damaged and not kept ({type(error).__name__})")
    if packets.has_extended_xmp(image):
        notes.append("extended XMP is not kept")
    return Metadata(
        exif=exif,
        xmp=packets.read_xmp(image),
        iptc=iptc,
        comments=packets.read_comments(image),
        dpi=packets.read_dpi(image),
        orientation=orientation,
        notes=tuple(notes),
    )


def exif_for_output(
    exif: bytes | None, *, size: tuple[int, int], software: str | None = None
) -> Image.Exif | None:
    """Return EXIF for a new file.

    Args:
        exif: `Photo.exif`.
        size: (width, height) of the new picture; set where the EXIF states a size.
        software: Text for the Software tag, None to leave that alone. What stood there, mostly the camera's
            firmware, is kept behind it.

    Returns:
        None where there is nothing to be stated.
    """
    if exif is None and software is None:
        return None
    tags = Image.Exif()
    if exif is not None:
        tags.load(exif)
    if ExifTags.IFD.Exif in tags:  # asking for a directory that is not there would create an empty one
        camera = tags.get_ifd(ExifTags.IFD.Exif)
        if ExifTags.Base.ExifImageWidth in camera or ExifTags.Base.ExifImageHeight in camera:
            camera[ExifTags.Base.ExifImageWidth], camera[ExifTags.Base.ExifImageHeight] = size
    if software is not None:
        tags[ExifTags.Base.Software] = _signed(software, tags.get(ExifTags.Base.Software))
    return tags


def _signed(software: str, former: object) -> str:
    """Our text, then that of the camera; a second run replaces what the first one has put in front."""
    text = former.strip(" \0") if isinstance(former, str) else ""
    marker = "; source: "
    if text.startswith("facesr-cli "):
        text = text.partition(marker)[2]
    return f"{software}{marker}{text}" if text else software


def _is_damaged(block: bytes) -> bool:
    """Return whether an EXIF block in which Pillow found no tag has some: editors write empty ones too."""
    body = block.removeprefix(_PREFIX)
    if not body.strip(b"\0"):
        return False
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    if order is None or len(body) < 8:
        return True
    (offset,) = struct.unpack(f"{order}I", body[4:8])
    if offset == len(body):
        return False
    return body[offset : offset + 2] != b"\0\0"


def _upright_exif(tags: Image.Exif) -> bytes | None:
    """Return the descriptive tags as bytes. The embedded thumbnail is left out: it shows the old picture."""
    for tag in _STORAGE_TAGS.intersection(tags):
        del tags[tag]
    if not len(tags):
        return None
    tags[ExifTags.Base.Orientation] = 1
    return tags.tobytes()
