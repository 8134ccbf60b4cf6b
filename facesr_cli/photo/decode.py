"""From a file to a `Photo`: upright, in the network's colours, with nothing dropped silently."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from facesr_cli.errors import UnreadablePhotoError
from facesr_cli.photo import deep, heif
from facesr_cli.photo.colours import Colours, colours_of_image, colours_of_samples, transparent_level
from facesr_cli.photo.containers import first_bytes, is_lossless, is_tiff, meta_box, stated_depth
from facesr_cli.photo.faults import check_is_file, unreadable
from facesr_cli.photo.metadata import Metadata, read_metadata, read_tiff_metadata
from facesr_cli.photo.opening import opened
from facesr_cli.photo.photograph import Photo
from facesr_cli.photo.places import turned_exif
from facesr_cli.photo.stated import stated_colours

# Both log what `decode` either survives or reports by name; unheard, it would go to stderr.
for _library in ("PIL", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

# Of one chunk, where Pillow's 1 MiB is less than a large profile, and than what `encode` writes. The texts of
# a whole file stay below Pillow's 64 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = 64 * 2**20

_WITHOUT_RANGE = ("I", "F")
_WITHOUT_CONVERSION = ("LAB", "HSV")


def decode(path: Path) -> Photo:
    """Read one photograph.

    Args:
        path: A file of any kind that Pillow reads, or HEIC where the extra `heif` is installed. Of animations
            and multi-page files the first picture is taken, which `Photo.notes` then says.

    Returns:
        A `Photo` whose `pixels` are (H, W, 3) RGB in sRGB, uint8, or uint16 for sources of 16 bits, with the
        EXIF orientation applied.

    Raises:
        UnreadablePhotoError: With a reason of the table in docs/upscale.md; nothing else, whatever the file
            holds.
    """
    check_is_file(path)
    try:
        heif.prepare(path)
        try:
            with _opened(path) as image:
                return _read(path, image)
        except UnidentifiedImageError:
            if not is_tiff(path):
                raise
            samples = deep.read_with_tifffile(path)
            if samples is None:
                raise deep.unsupported(path) from None
            return _read_samples(path, samples)
    except UnreadablePhotoError:
        raise
    except Exception as error:  # the documented boundary: a hostile file makes Pillow raise nearly anything
        raise unreadable(path, error) from error


def header_size(path: Path) -> tuple[int, int]:
    """Return (width, height) as the header states them, without decoding; errors as in `decode`.

    The orientation is not applied: for portraits of phones the two may be exchanged.
    """
    check_is_file(path)
    try:
        heif.prepare(path)
        try:
            with _opened(path) as image:
                return image.size
        except UnidentifiedImageError:
            if not is_tiff(path):
                raise
            size = deep.size_with_tifffile(path)
            if size is None:
                raise deep.unsupported(path) from None
            return size
    except UnreadablePhotoError:
        raise
    except Exception as error:  # the same boundary as in `decode`
        raise unreadable(path, error) from error


def _opened(path: Path) -> contextlib.AbstractContextManager[ImageFile.ImageFile]:
    if first_bytes(path, 4) == b"MM\0+":  # BigTIFF, big-endian: Pillow takes its offsets for 32 bits
        raise UnidentifiedImageError(f"cannot identify image file {path}")
    return opened(path)


def _read(path: Path, image: ImageFile.ImageFile) -> Photo:
    # All of this before loading, which forgets it.
    notes = _frame_notes(image)
    compression = str(image.info.get("compression", ""))
    profile = image.info.get("icc_profile") or None
    if profile is None:
        profile, stated = stated_colours(path, image)
        notes += stated
    samples = deep.read_deep(path, image)
    if samples is None:
        notes += _depth_notes(path, image)
        level = transparent_level(image)
        image.load()
        if level is not None:
            image.info["transparency"] = level
        colours = _colours(path, image, profile)
    else:
        colours = colours_of_samples(samples, profile)
    lossless = is_lossless(image.format or "", compression, path)
    metadata = read_metadata(image, path)
    return _photo(colours, metadata, file_format=image.format or "", lossless=lossless, notes=notes)


def _read_samples(path: Path, samples: deep.Deep) -> Photo:
    """Make a photo of a TIFF that Pillow does not open."""
    metadata = read_tiff_metadata(path)
    colours = colours_of_samples(samples, samples.icc_profile)
    notes = _pages_note(samples.pages)
    return _photo(colours, metadata, file_format="TIFF", lossless=True, notes=notes)


def _colours(path: Path, image: Image.Image, profile: bytes | None) -> Colours:
    if image.mode in _WITHOUT_RANGE:
        raise UnreadablePhotoError(
            "unsupported-mode",
            f"{path}: has 32-bit samples (Pillow mode {image.mode}) whose white is not stated. "
            "Save it with 8 or 16 bits per channel.",
        )
    if image.mode in _WITHOUT_CONVERSION:
        raise UnreadablePhotoError(
            "unsupported-mode", f"{path}: stores {image.mode} colours. Save it as RGB or grey."
        )
    return colours_of_image(image, profile)


def _photo(
    colours: Colours, metadata: Metadata, *, file_format: str, lossless: bool, notes: list[str]
) -> Photo:
    turn = metadata.orientation
    pixels = _upright(colours.pixels, turn)
    return Photo(
        pixels=pixels,
        alpha=None if colours.alpha is None else _upright(colours.alpha, turn),
        residual=None if colours.residual is None else _upright(colours.residual, turn),
        grey=colours.grey,
        format=file_format,
        icc_profile=colours.icc_profile,
        exif=turned_exif(metadata.exif, metadata.turned, (pixels.shape[1], pixels.shape[0])),
        xmp=metadata.xmp,
        iptc=metadata.iptc,
        comments=metadata.comments,
        dpi=metadata.dpi,
        lossless=lossless,
        notes=(*notes, *metadata.notes, *colours.notes),
    )


def _upright(array: Any, orientation: int) -> Any:
    """Turn (H, W) or (H, W, C) so that viewers that ignore EXIF Orientation show it right (CIPA DC-008)."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)


def _frame_notes(image: Image.Image) -> list[str]:
    frames = getattr(image, "n_frames", 1)
    notes = _pages_note(frames)
    if image.info.get("depth_images") or image.info.get("aux"):  # of HEIC
        notes.append("depth and HDR gain pictures are not kept")
    return notes


def _pages_note(count: int) -> list[str]:
    return [f"first picture of {count}, the others are not kept"] if count > 1 else []


def _depth_notes(path: Path, image: ImageFile.ImageFile) -> list[str]:
    if image.mode in _WITHOUT_RANGE:
        return []
    if deep.is_reduced(image):
        return [f"16-bit {image.mode} is reduced to 8 bits"]
    depth = stated_depth(image, meta_box(path))
    return [f"{depth} bits per sample are reduced to 8"] if depth > 8 else []
