"""From a file to a `Photo`: upright, in the network's colours, with nothing dropped silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_cli.errors import UnreadablePhotoError
from facesr_cli.photo.faults import check_is_file, unreadable
from facesr_cli.photo.metadata import read_metadata, upright
from facesr_cli.photo.photograph import Photo, Samples
from facesr_cli.photo.profile import ProfileError, colour_space, image_to_srgb, to_srgb

_SIXTEEN_BIT_GREY = ("I;16", "I;16L", "I;16B", "I;16N")
_WITHOUT_RANGE = ("I", "F")


def decode(path: Path) -> Photo:
    """Read one photograph.

    Args:
        path: A file of any kind that Pillow reads. Of animations and multi-page files the first picture is
            taken, which `Photo.notes` then says.

    Returns:
        A `Photo` whose `pixels` are (H, W, 3) RGB, uint8, or uint16 for 16-bit grey sources, in sRGB, with
        the EXIF orientation applied.

    Raises:
        UnreadablePhotoError: With a reason of the table in docs/upscale.md; nothing else, whatever the file
            holds.
    """
    check_is_file(path)
    try:
        with Image.open(path) as image:
            return _read(path, image)
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
        with Image.open(path) as image:
            return image.size
    except Exception as error:  # the same boundary as in `decode`
        raise unreadable(path, error) from error


class _Colours(NamedTuple):
    """The samples of a photograph in the colours of the network."""

    pixels: Samples
    grey: bool
    icc_profile: bytes | None
    residual: NDArray[np.int16] | None
    notes: tuple[str, ...]


def _read(path: Path, image: Image.Image) -> Photo:
    notes = [*_frame_notes(image), *_depth_notes(image)]  # both before loading, which forgets them
    image.load()
    metadata = read_metadata(image)
    notes += metadata.notes
    if image.mode in _WITHOUT_RANGE:
        raise UnreadablePhotoError(
            "unsupported-mode",
            f"{path}: has 32-bit samples (Pillow mode {image.mode}) whose white is not stated. "
            "Save it with 8 or 16 bits per channel.",
        )
    profile = image.info.get("icc_profile") or None
    opaque, alpha = _split_alpha(upright(image, metadata.orientation))
    colours = _colours(opaque, profile)
    return Photo(
        pixels=colours.pixels,
        alpha=alpha,
        residual=colours.residual,
        grey=colours.grey,
        format=image.format or "",
        icc_profile=colours.icc_profile,
        exif=metadata.exif,
        xmp=metadata.xmp,
        notes=(*notes, *colours.notes),
    )


def _frame_notes(image: Image.Image) -> list[str]:
    frames = getattr(image, "n_frames", 1)
    return [f"first picture of {frames}, the others are not kept"] if frames > 1 else []


def _depth_notes(image: Image.Image) -> list[str]:
    """Say so where Pillow reduces 16-bit colour to 8 bits while loading; it has no 16-bit colour mode."""
    if image.mode in _SIXTEEN_BIT_GREY or image.mode in _WITHOUT_RANGE:
        return []
    bits = getattr(image, "tag_v2", {}).get(258, (8,))  # TIFF BitsPerSample
    deep_tiff = max(bits if isinstance(bits, tuple) else (bits,)) > 8
    deep_png = any(
        isinstance(tile[3], str) and tile[3].endswith(";16B") for tile in getattr(image, "tile", ())
    )
    return ["16-bit colour is reduced to 8 bits"] if deep_tiff or deep_png else []


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Samples | None]:
    """Return the image without its alpha, and the alpha as (H, W) of the same dtype."""
    transparent_value = image.info.get("transparency")
    if image.mode in _SIXTEEN_BIT_GREY:
        if not isinstance(transparent_value, int):
            return image, None
        return image, np.where(np.asarray(image) == transparent_value, 0, 65535).astype(np.uint16)
    if image.mode in ("PA", "RGBa") or (image.mode in ("P", "RGB") and transparent_value is not None):
        image = image.convert("RGBA")
    elif image.mode == "La" or (image.mode in ("1", "L") and transparent_value is not None):
        image = image.convert("LA")
    if image.mode not in ("RGBA", "LA"):
        return image, None
    alpha = np.array(image.getchannel("A"), dtype=np.uint8)
    # Dropping the channel, not converting: convert("RGB") would be the same today, but says less.
    return _first_channels(image, "RGB" if image.mode == "RGBA" else "L"), alpha


def _first_channels(image: Image.Image, mode: str) -> Image.Image:
    channels = image.split()[: len(mode)]
    return channels[0] if len(channels) == 1 else Image.merge(mode, channels)


def _colours(image: Image.Image, profile: bytes | None) -> _Colours:
    """Bring an image without alpha to RGB samples in sRGB."""
    space = None if profile is None else colour_space(profile)
    if image.mode in _SIXTEEN_BIT_GREY:
        return _grey(np.asarray(image).astype(np.uint16), profile, space)
    if image.mode in ("1", "L"):
        return _grey(np.array(image.convert("L"), dtype=np.uint8), profile, space)
    if image.mode == "CMYK":
        return _cmyk(image, profile, space)
    pixels = np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
    if profile is None:
        return _Colours(pixels, False, None, None, ())
    if space != "RGB":
        return _Colours(pixels, False, None, None, (_misfit(space, "colour"),))
    try:
        converted, residual = to_srgb(pixels, profile)
    except ProfileError:
        return _one_way(Image.fromarray(pixels), profile)
    return _Colours(converted, False, profile, residual, ())


def _grey(values: Samples, profile: bytes | None, space: str | None) -> _Colours:
    # (H, W) -> (H, W, 3), equal channels
    pixels: Any = np.repeat(values[:, :, np.newaxis], 3, axis=2)
    if profile is None or space == "GRAY":
        return _Colours(pixels, True, profile, None, ())
    return _Colours(pixels, True, None, None, (_misfit(space, "grey"),))


def _cmyk(image: Image.Image, profile: bytes | None, space: str | None) -> _Colours:
    if profile is not None and space == "CMYK":
        return _one_way(image, profile)
    pixels = np.array(image.convert("RGB"), dtype=np.uint8)
    return _Colours(pixels, False, None, None, ("CMYK without a usable profile is converted to RGB roughly",))


def _one_way(image: Image.Image, profile: bytes) -> _Colours:
    """Convert to sRGB for good, where a profile has no way back or is not for RGB."""
    try:
        converted = image_to_srgb(image, profile)
    except ProfileError:
        pixels = np.array(image.convert("RGB"), dtype=np.uint8)
        return _Colours(pixels, False, None, None, (_misfit(None, image.mode),))
    note = "CMYK is converted to sRGB" if image.mode == "CMYK" else "colours are converted to sRGB for good"
    return _Colours(np.array(converted, dtype=np.uint8), False, None, None, (note,))


def _misfit(space: str | None, pixels: str) -> str:
    if space is None:
        return "the colour profile is broken and not kept"
    return f"the colour profile is for {space}, not for {pixels} pixels, and not kept"
