"""Colour profiles: a source's colours to sRGB for the network, and back to the profile for the file."""

from __future__ import annotations

import io
from typing import Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

ColourSpace: TypeAlias = Literal["RGB", "GRAY", "CMYK"]

# Relative colorimetric with black point compensation keeps white and black where they are; both directions
# use it, so that colours inside sRGB return to where they came from.
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


class ProfileError(Exception):
    """A profile that cannot be used as it would have to be; internal to the photo room."""


def colour_space(profile: bytes) -> ColourSpace | None:
    """Return which kind of pixels `profile` describes; None for other kinds and for broken profiles."""
    try:
        opened = _open(profile)
    except ProfileError:
        return None
    space = opened.profile.xcolor_space.strip()
    return cast(ColourSpace, space) if space in ("RGB", "GRAY", "CMYK") else None


def is_srgb(profile: bytes) -> bool:
    """Return whether an RGB `profile` means the same colours as sRGB, within one 8-bit level."""
    levels = np.array([0, 16, 32, 64, 96, 128, 160, 192, 224, 255], dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(10, 100, 3)
    converted = _convert(cube, profile, None)
    return int(np.abs(converted.astype(np.int16) - cube.astype(np.int16)).max()) <= 1


def to_srgb(pixels: NDArray[np.uint8], profile: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int16] | None]:
    """Convert colours to sRGB and return what coming back from 8-bit sRGB would lose.

    Args:
        pixels: (H, W, 3) uint8 RGB in the colours of `profile`.
        profile: An RGB profile.

    Returns:
        (H, W, 3) uint8 sRGB, and the (H, W, 3) int16 residual in levels of `profile`; None where it is zero.

    Raises:
        ProfileError: The profile is broken, or describes a scanner and cannot be converted to.
    """
    if is_srgb(profile):
        return pixels, None
    converted = _convert(pixels, profile, None)
    back = _convert(converted, None, profile)
    residual = pixels.astype(np.int16) - back
    return converted, residual if residual.any() else None


def from_srgb(
    pixels: NDArray[np.uint8], residual: NDArray[np.int16] | None, profile: bytes
) -> NDArray[np.uint8]:
    """Undo `to_srgb`: (H, W, 3) uint8 sRGB to the colours of `profile`, exact for unchanged pixels."""
    if is_srgb(profile):
        return pixels
    back = _convert(pixels, None, profile)
    if residual is None:
        return back
    restored: NDArray[np.uint8] = np.clip(back + residual, 0, 255).astype(np.uint8)
    return restored


def image_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert a CMYK or L image through its own profile to an sRGB image, one way. ProfileError as above."""
    try:
        converted = ImageCms.profileToProfile(
            image, _open(profile), _srgb(), renderingIntent=_INTENT, outputMode="RGB", flags=_FLAGS
        )
    except (ImageCms.PyCMSError, ValueError) as error:
        raise ProfileError(str(error)) from error
    assert converted is not None  # only an in-place conversion returns None
    return converted


def _convert(pixels: NDArray[np.uint8], source: bytes | None, destination: bytes | None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB between two profiles; None is sRGB."""
    source_profile = _srgb() if source is None else _open(source)
    destination_profile = _srgb() if destination is None else _open(destination)
    try:
        transform = ImageCms.buildTransform(
            source_profile, destination_profile, "RGB", "RGB", renderingIntent=_INTENT, flags=_FLAGS
        )
        converted = ImageCms.applyTransform(Image.fromarray(pixels), transform)
    except (ImageCms.PyCMSError, ValueError) as error:
        raise ProfileError(str(error)) from error
    assert converted is not None  # only an in-place conversion returns None
    return np.array(converted, dtype=np.uint8)


def _open(profile: bytes) -> ImageCms.ImageCmsProfile:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ValueError, TypeError) as error:
        raise ProfileError(str(error)) from error


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
