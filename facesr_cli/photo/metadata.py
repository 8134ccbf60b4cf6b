"""EXIF and all that is found around the pixels: read once, made to fit upright pixels of a new size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import ImageFile

from facesr_cli.photo import exif as tiff_tags
from facesr_cli.photo import packets, texts
from facesr_cli.photo.exif import Directory, Entry, Exif, ExifError, read_exif, read_tiff

_ORIENTATION, _SOFTWARE, _WIDTH, _HEIGHT = 274, 305, 40962, 40963
_RESOLUTION_ACROSS, _RESOLUTION_DOWN, _RESOLUTION_UNIT = 282, 283, 296
_INCHES_PER_UNIT = {2: 1.0, 3: 1 / 2.54}  # inch and centimetre, TIFF 6.0

# Tags of the first directory that describe how a file stores its pixels. A TIFF source mixes them with the
# descriptive ones; copied into another file they would contradict it. Pointers to directories of thumbnails
# and raw data (330, 400, 65024) stay out too.
_STORAGE = frozenset(
    (254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289)
    + (290, 291, 292, 293, 301, 317, 320, 322, 323, 324, 325, 330, 332, 333, 334, 336, 338, 339, 340, 341)
    + (347, 400, 65024, *range(512, 533))
)
_LAYERS = frozenset((37724, 50255))  # ImageSourceData and annotations of Photoshop: pictures of the old size
_GEOGRAPHY = frozenset((33550, 33922, 34264, 34735, 34736, 34737))  # GeoTIFF 1.0: places of single pixels
_XMP, _IPTC, _RESOURCES, _PROFILE = 700, 33723, 34377, 34675
_TEXTS = (tiff_tags.BYTE, tiff_tags.ASCII, tiff_tags.UNDEFINED, tiff_tags.UTF8)
_PACKETS = frozenset((_XMP, _IPTC, _RESOURCES, _PROFILE))
"""What has a place of its own in other files, and in a TIFF in its directory."""
_NOT_KEPT = _STORAGE | _LAYERS | _GEOGRAPHY

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What `read_metadata` found; the fields are those of `Photo`, true of the upright picture."""

    exif: bytes | None
    xmp: bytes | None
    iptc: bytes | None
    comments: tuple[tuple[str, str], ...]
    dpi: tuple[float, float] | None
    orientation: int
    """EXIF Orientation of the samples as they were decoded, 1-8; 1 where there is none or nonsense."""
    turned: int
    """That of the stored picture: some decoders turn it themselves."""
    notes: tuple[str, ...]
    icc_profile: bytes | None = None
    """Of a TIFF; of other files Pillow hands it out."""


def read_metadata(image: ImageFile.ImageFile, path: Path) -> Metadata:
    """Return the metadata of a decoded Pillow image, orientation already set to 1 inside EXIF and XMP.

    Args:
        image: The image as it is after its samples were fetched.
        path: The file that it came from.
    """
    if image.format == "TIFF":
        return read_tiff_metadata(path, image)
    notes: list[str] = []
    raw = packets.raw_profiles(image, notes)
    block = packets.exif_block(image, raw)
    tags = _tags(lambda: read_exif(block, skip=_NOT_KEPT | _PACKETS), notes)
    xmp = packets.as_utf8(packets.find_xmp(image, path, raw))
    orientation = _stated_orientation(tags, xmp)
    turned = image.info.get("original_orientation") or orientation  # HEIC is decoded upright
    iptc = _survived("IPTC", lambda: packets.find_iptc(image, raw), notes)
    if packets.has_extended_xmp(image):
        notes.append("extended XMP is not kept")
    if packets.has_video(image, path, xmp):
        notes.append("the video of a motion photo is not kept")
    dpi = packets.read_dpi(image)
    return Metadata(
        exif=_upright_exif(tags, turned),
        xmp=packets.upright_xmp(xmp, turned),
        iptc=iptc,
        comments=texts.read_comments(image, path),
        dpi=dpi[::-1] if dpi is not None and turned in (5, 6, 7, 8) else dpi,
        orientation=orientation,
        turned=turned,
        notes=tuple(notes),
    )


def read_tiff_metadata(path: Path, image: ImageFile.ImageFile | None = None) -> Metadata:
    """Return the same of a TIFF or BigTIFF, whose directory holds all of it.

    Args:
        path: The file.
        image: The image, if Pillow has opened it: what it loads, it turns upright.
    """
    notes: list[str] = []

    def read() -> Exif:
        with path.open("rb") as file:
            return read_tiff(file, skip=_NOT_KEPT)

    tags = _tags(read, notes)
    found = {tag: tags.main.entries.pop(tag).data for tag in _PACKETS.intersection(tags.main.entries)}
    xmp = packets.as_utf8(found.get(_XMP))
    turned = orientation = _stated_orientation(tags, xmp)
    if image is not None and not image.tile:
        # Loaded. That of EXIF is applied; that of XMP, if Pillow knew its spelling, is also gone from `info`.
        left = packets.as_utf8(image.info.get("xmp"))
        orientation = 1 if _in_range(tags.number(_ORIENTATION)) else _stated_orientation(Exif(), left)
    records: bytes | None = found.get(_IPTC, b"").rstrip(b"\0")  # some declare them as 32-bit numbers
    if not records:
        records = _survived("IPTC", lambda: packets.iptc_of_resources(found.get(_RESOURCES, b"")), notes)
    dpi = _tiff_dpi(tags)
    return Metadata(
        exif=_upright_exif(tags, turned),
        xmp=packets.upright_xmp(xmp, turned),
        iptc=records or None,
        comments=(),
        dpi=dpi[::-1] if dpi is not None and turned >= 5 else dpi,
        orientation=orientation,
        turned=turned,
        notes=tuple(notes),
        icc_profile=found.get(_PROFILE) or None,
    )


def exif_for_output(
    exif: bytes | None, *, size: tuple[int, int], software: str | None = None, orientation: bool = True
) -> Exif | None:
    """Return EXIF for a new file.

    Args:
        exif: `Photo.exif`.
        size: (width, height) of the new picture; set where the EXIF states a size.
        software: Text for the Software tag, None to leave that alone. What stood there, mostly the camera's
            firmware, is kept behind it.
        orientation: False leaves out the Orientation, which is 1.

    Returns:
        None where there is nothing to be stated.
    """
    tags = Exif() if exif is None else read_exif(exif)
    camera = tags.main.directories.get(tiff_tags.CAMERA, Directory()).entries
    if _WIDTH in camera or _HEIGHT in camera:
        camera[_WIDTH], camera[_HEIGHT] = (tags.entry(tiff_tags.LONG, side) for side in size)
    if software is not None:
        former = tags.main.entries.get(_SOFTWARE)
        stood = former.data if former is not None and former.kind in _TEXTS else b""
        text = _signed(software.encode(), stood)
        tags.main.entries[_SOFTWARE] = Entry(tiff_tags.ASCII, text + b"\0")
    if not orientation:
        tags.main.entries.pop(_ORIENTATION, None)
    return None if tags.main.is_empty() else tags


def _signed(software: bytes, former: bytes) -> bytes:
    """Our text, then that of the camera; a second run replaces what the first one has put in front."""
    text, marker = former.strip(b" \0"), b"; source: "
    if text.startswith(b"facesr-cli "):
        text = text.partition(marker)[2]
    return software + marker + text if text else software


def _tags(read: Callable[[], Exif], notes: list[str]) -> Exif:
    """Return what `read` finds, and say in `notes` what of it is not kept."""
    try:
        tags = read()
    except (ExifError, OSError):
        notes.append("EXIF is damaged and not kept")
        return Exif()
    if tags.damaged:
        whole = tags.main.is_empty()
        notes.append("EXIF is damaged and not kept" if whole else "damaged entries of EXIF are not kept")
    if tags.skipped & _LAYERS:
        notes.append("layers are not kept")
    if tags.skipped & _GEOGRAPHY:
        notes.append("the geographic position of pixels (GeoTIFF) is not kept")
    return tags


def _survived(name: str, read: Callable[[], _Found], notes: list[str]) -> _Found | None:
    """Return what `read` finds; damage is said in `notes`, because no wrapper is worth a photograph."""
    try:
        return read()
    except ValueError:
        notes.append(f"{name} is damaged and not kept")
        return None


def _in_range(orientation: int | None) -> bool:
    return orientation is not None and 1 <= orientation <= 8


def _stated_orientation(tags: Exif, xmp: bytes | None) -> int:
    """Return the Orientation of EXIF, or that of XMP where EXIF has none; 1 where neither makes sense."""
    for orientation in (tags.number(_ORIENTATION), packets.orientation_of_xmp(xmp)):
        if orientation is not None and _in_range(orientation):
            return orientation
    return 1


def _upright_exif(tags: Exif, turned: int) -> bytes | None:
    """Return the descriptive tags as bytes; a picture that was turned by 90 degrees swaps its resolutions."""
    entries = tags.main.entries
    if tags.main.is_empty():
        return None
    if turned in (5, 6, 7, 8):
        across, down = entries.pop(_RESOLUTION_ACROSS, None), entries.pop(_RESOLUTION_DOWN, None)
        for tag, entry in ((_RESOLUTION_ACROSS, down), (_RESOLUTION_DOWN, across)):
            if entry is not None:
                entries[tag] = entry
    entries[_ORIENTATION] = tags.entry(tiff_tags.SHORT, 1)
    return tags.tobytes()


def _tiff_dpi(tags: Exif) -> tuple[float, float] | None:
    unit = _INCHES_PER_UNIT.get(tags.number(_RESOLUTION_UNIT) or 2)
    across, down = tags.rational(_RESOLUTION_ACROSS), tags.rational(_RESOLUTION_DOWN)
    if unit is None or across is None or down is None:
        return None
    return packets.sensible_dpi(across / unit, down / unit)
