"""Colour profiles: a source's colours to sRGB for the network, and back to the profile for the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from facesr_cli.photo import matrix
from facesr_cli.photo.bands import Banded, bands
from facesr_cli.photo.photograph import Residual, Samples
from facesr_cli.photo.planes import lanczos_rows

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


@lru_cache(maxsize=8)
def is_srgb(profile: bytes) -> bool:
    """Return whether an RGB `profile` means the same colours as sRGB, within one 8-bit level."""
    levels = np.array([0, 16, 32, 64, 96, 128, 160, 192, 224, 255], dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(10, 100, 3)
    converted = _eight_bit_converter(profile, None)(cube)
    return int(np.abs(converted.astype(np.int16) - cube.astype(np.int16)).max()) <= 1


def to_srgb(pixels: Samples, profile: bytes) -> tuple[Samples, Residual | None]:
    """Convert colours to sRGB and return what coming back from sRGB of that depth would lose.

    Args:
        pixels: (H, W, 3) uint8 or uint16 RGB in the colours of `profile`.
        profile: An RGB profile.

    Returns:
        (H, W, 3) sRGB of the same dtype, and the (H, W, 3) residual in levels of `profile`, None where it is
        zero. 16-bit pixels of a profile with tables come back as they are: nothing converts those without
        going through 8 bits, so the network sees slightly other colours, and the file keeps its own.

    Raises:
        ProfileError: The profile is broken, or describes a scanner and cannot be converted to.
    """
    converters = _converters(pixels.dtype, profile)
    if converters is None:
        return pixels, None
    forth, back = converters
    converted: Any = np.empty_like(pixels)
    wide = np.int16 if pixels.dtype == np.uint8 else np.int32
    residual: Any = np.empty(pixels.shape, dtype=wide)
    height, width = pixels.shape[:2]
    for rows in bands(height, width):
        converted[rows] = forth(pixels[rows])
        residual[rows] = pixels[rows].astype(wide) - back(converted[rows])
    if not residual.any():
        return converted, None
    return converted, _narrow(residual)


def from_srgb(pixels: Samples, residual: Residual | None, profile: bytes) -> Samples:
    """Undo `to_srgb`: (H, W, 3) sRGB to the colours of `profile`, exact for unchanged pixels.

    Args:
        pixels: What `to_srgb` returned, or a larger version of it.
        residual: What `to_srgb` returned; enlarged by Lanczos where `pixels` are larger.
        profile: As there.
    """
    given = Banded(shape=(*pixels.shape[:2], 3), dtype=pixels.dtype, make=lambda rows: pixels[rows])
    return cast(Samples, banded_from_srgb(given, residual, profile).whole())


def banded_from_srgb(pixels: Banded, residual: Residual | None, profile: bytes) -> Banded:
    """Return what `from_srgb` does, computed band by band."""
    converters = _converters(pixels.dtype, profile)
    if converters is None:
        return pixels
    back = converters[1]
    height, width, _ = pixels.shape

    def restored(rows: slice) -> Any:
        band = back(pixels.make(rows))
        if residual is None:
            return band
        lost: Any = lanczos_rows(residual, width, height, rows.start, rows.stop)
        return np.clip(band.astype(np.int32) + lost, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)

    return Banded(shape=pixels.shape, dtype=pixels.dtype, make=restored)


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


_Converter: TypeAlias = Callable[[Any], Any]


def _converters(dtype: np.dtype[Any], profile: bytes) -> tuple[_Converter, _Converter] | None:
    """Return functions to sRGB and back for (H, W, 3) of `dtype`; None where both would change nothing."""
    if is_srgb(profile):
        return None
    if dtype == np.uint8:
        return _eight_bit_converter(profile, None), _eight_bit_converter(None, profile)
    own, common = matrix.matrix_profile(profile), matrix.srgb()
    if own is None:
        return None
    return lambda band: matrix.convert(band, own, common), lambda band: matrix.convert(band, common, own)


def _eight_bit_converter(source: bytes | None, destination: bytes | None) -> _Converter:
    """Return a function for (H, W, 3) uint8 RGB between two profiles; None is sRGB."""
    source_profile = _srgb() if source is None else _open(source)
    destination_profile = _srgb() if destination is None else _open(destination)
    try:
        transform = ImageCms.buildTransform(
            source_profile, destination_profile, "RGB", "RGB", renderingIntent=_INTENT, flags=_FLAGS
        )
    except (ImageCms.PyCMSError, ValueError) as error:
        raise ProfileError(str(error)) from error

    def convert(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        converted = ImageCms.applyTransform(Image.fromarray(pixels), transform)
        assert converted is not None  # only an in-place conversion returns None
        return np.asarray(converted)

    return convert


def _narrow(residual: Residual) -> Residual:
    """Return `residual` in int16 where that holds it, as nearly always: it waits beside the pixels."""
    limits = np.iinfo(np.int16)
    if residual.min() < limits.min or residual.max() > limits.max:
        return residual
    return residual.astype(np.int16, copy=False)


def _open(profile: bytes) -> ImageCms.ImageCmsProfile:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ValueError, TypeError) as error:
        raise ProfileError(str(error)) from error


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
