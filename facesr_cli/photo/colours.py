"""Samples in the colours of the network: profiles, grey, CMYK, palettes and transparent values sorted out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageFile

from facesr_cli.photo.deep import Deep
from facesr_cli.photo.photograph import Residual, Samples
from facesr_cli.photo.profile import ColourSpace, ProfileError, colour_space, image_to_srgb, to_srgb


class Colours(NamedTuple):
    """The samples of a photograph, and what of its profile stays with them; fields as in `Photo`."""

    pixels: Samples
    alpha: Samples | None
    grey: bool
    icc_profile: bytes | None = None
    residual: Residual | None = None
    notes: tuple[str, ...] = ()


def colours_of_image(image: Image.Image, profile: bytes | None) -> Colours:
    """Bring a loaded 8-bit Pillow image to RGB samples in sRGB.

    Raises:
        ValueError: Pillow knows no way from the image's mode to RGB.
    """
    opaque, alpha = _split_alpha(image)
    if opaque.mode in ("1", "L"):
        return _grey(np.array(opaque.convert("L"), dtype=np.uint8), alpha, profile)
    if opaque.mode == "CMYK":
        return _cmyk(opaque, profile)
    return _rgb(np.array(opaque.convert("RGB"), dtype=np.uint8), alpha, profile)


def colours_of_samples(deep: Deep, profile: bytes | None) -> Colours:
    """Bring samples to RGB in sRGB; those of 16 bits do not go through 8."""
    colours = 3 if deep.samples.shape[2] >= 3 else 1
    alpha: Any = None
    if deep.samples.shape[2] > colours:
        alpha = np.ascontiguousarray(deep.samples[:, :, colours])
    elif deep.transparent is not None:
        same = (deep.samples == np.array(deep.transparent, dtype=np.int64)).all(axis=2)
        alpha = np.where(same, 0, 65535).astype(np.uint16)
    if colours == 1:
        return _grey(deep.samples[:, :, 0], alpha, profile)
    opaque: Any = np.ascontiguousarray(deep.samples[:, :, :3])
    return _rgb(opaque, alpha, profile)


def transparent_level(image: ImageFile.ImageFile) -> int | None:
    """Return the grey level of a PNG's tRNS as 8 bits, from an image that is not loaded yet; None elsewhere.

    Pillow spreads samples of 2 and 4 bits over 0-255 but leaves this one as the file has it.
    """
    key = image.info.get("transparency")
    if image.format != "PNG" or image.mode != "L" or not isinstance(key, int) or not image.tile:
        return None
    highest = {"L;2": 3, "L;4": 15}.get(str(image.tile[0].args), 255)
    return (key & highest) * 255 // highest  # further bits do not count (W3C PNG, 11.3.1.1)


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Any]:
    """Return the image without its alpha, and the alpha as (H, W) uint8 or None."""
    transparent_value = image.info.get("transparency")
    if image.mode in ("PA", "RGBa") or (image.mode in ("P", "RGB") and transparent_value is not None):
        image = image.convert("RGBA")
    elif image.mode == "La" or (image.mode in ("1", "L") and transparent_value is not None):
        image = image.convert("LA")
    if image.mode not in ("RGBA", "LA"):
        return image, None
    *colours, alpha = image.split()
    opaque = colours[0] if len(colours) == 1 else Image.merge("RGB", colours)
    return opaque, np.array(alpha, dtype=np.uint8)


def _rgb(pixels: Samples, alpha: Any, profile: bytes | None) -> Colours:
    if profile is None:
        return Colours(pixels, alpha, False)
    space = colour_space(profile)
    if space != "RGB":
        return Colours(pixels, alpha, False, notes=(_misfit(space, "colour"),))
    try:
        converted, residual = to_srgb(pixels, profile)
    except ProfileError:
        if pixels.dtype == np.uint16:
            return Colours(pixels, alpha, False, profile)  # the numbers stay, and so does what they mean
        return _one_way(Image.fromarray(pixels), alpha, profile)
    return Colours(converted, alpha, False, profile, residual)


def _grey(values: Samples, alpha: Any, profile: bytes | None) -> Colours:
    # (H, W) -> (H, W, 3), equal channels
    pixels: Any = np.repeat(values[:, :, np.newaxis], 3, axis=2)
    space = None if profile is None else colour_space(profile)
    if profile is None or space == "GRAY":
        return Colours(pixels, alpha, True, profile)
    return Colours(pixels, alpha, True, notes=(_misfit(space, "grey"),))


def _cmyk(image: Image.Image, profile: bytes | None) -> Colours:
    if profile is not None and colour_space(profile) == "CMYK":
        return _one_way(image, None, profile)
    pixels = np.array(image.convert("RGB"), dtype=np.uint8)
    return Colours(pixels, None, False, notes=("CMYK without a usable profile is converted to RGB roughly",))


def _one_way(image: Image.Image, alpha: Any, profile: bytes) -> Colours:
    """Convert to sRGB for good, where a profile has no way back or is not for RGB."""
    try:
        converted = image_to_srgb(image, profile)
    except ProfileError:
        pixels = np.array(image.convert("RGB"), dtype=np.uint8)
        return Colours(pixels, alpha, False, notes=(_misfit(None, image.mode),))
    note = "CMYK is converted to sRGB" if image.mode == "CMYK" else "colours are converted to sRGB for good"
    return Colours(np.array(converted, dtype=np.uint8), alpha, False, notes=(note,))


def _misfit(space: ColourSpace | None, pixels: str) -> str:
    if space is None:
        return "the colour profile is broken and not kept"
    return f"the colour profile is for {space}, not for {pixels} pixels, and not kept"
