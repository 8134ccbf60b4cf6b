"""Pictures of every kind to RGB arrays and back: grey, alpha, palettes, and Pillow's 16-bit modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_cli.model.session import Pixels

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_CHANNELS = 3


def check_pixels(pixels: NDArray[Any]) -> None:
    """Raise unless `pixels` is a non-empty (H,W) or (H,W,3) array of uint8 or uint16."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"pixels must be uint8 or uint16, not {pixels.dtype}")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != _CHANNELS) or not pixels.size:
        raise ValueError(f"pixels must have the shape (H, W) or (H, W, 3), not {pixels.shape}")


def upscale_any(pixels: Pixels, upscale: Callable[[Pixels], Pixels]) -> Pixels:
    """Enlarge (H,W) or (H,W,3) pixels with `upscale`, which takes (H,W,3).

    A grey picture is handed over as three equal channels; the rounded mean of what comes back is grey again.
    """
    check_pixels(pixels)
    if pixels.ndim == _CHANNELS:
        return upscale(pixels)
    larger = upscale(np.repeat(pixels[:, :, np.newaxis], _CHANNELS, axis=2))
    total = larger.sum(axis=2, dtype=np.uint32)
    mean: Pixels = ((2 * total + _CHANNELS) // (2 * _CHANNELS)).astype(pixels.dtype)
    return mean


def upscale_image(image: Image.Image, scale: int, upscale: Callable[[Pixels], Pixels]) -> Image.Image:
    """Enlarge a Pillow image with `upscale`, which takes (H,W) or (H,W,3) pixels.

    L, RGB and I;16 keep their mode, LA and RGBA too, with alpha enlarged by Lanczos. 1 becomes L; a palette
    becomes RGB, or RGBA where it is transparent; I;16B and I (where its values fit) become I;16; CMYK, YCbCr,
    LAB and HSV become RGB by Pillow's own conversion, without colour management.

    The ICC profile stays where the mode does; orientation and other metadata are the caller's business.

    Raises:
        ValueError: A mode of floating-point or too large numbers.
    """
    if image.mode in _SIXTEEN_BIT or image.mode == "I":
        return _upscale_sixteen_bit(image, upscale)
    if image.mode == "F":
        raise ValueError("images of mode F have no agreed range; convert to L, RGB or I;16 first")
    transparent = image.has_transparency_data and image.mode not in ("LA", "RGBA")
    plain = image.convert("RGBA") if transparent or image.mode in ("PA", "La", "RGBa", "RGBX") else image
    if plain.mode in ("LA", "RGBA"):
        colours = plain.convert("L" if plain.mode == "LA" else "RGB")
        alpha = plain.getchannel("A").resize(
            (plain.width * scale, plain.height * scale), Image.Resampling.LANCZOS
        )
        result = Image.fromarray(upscale(np.asarray(colours)))
        result.putalpha(alpha)
    else:
        colours = plain.convert("L") if plain.mode == "1" else plain
        colours = colours if colours.mode in ("L", "RGB") else colours.convert("RGB")
        result = Image.fromarray(upscale(np.asarray(colours)))
    if result.mode == image.mode and "icc_profile" in image.info:
        result.info["icc_profile"] = image.info["icc_profile"]
    return result


def _upscale_sixteen_bit(image: Image.Image, upscale: Callable[[Pixels], Pixels]) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "I" and (values.min() < 0 or values.max() > np.iinfo(np.uint16).max):
        raise ValueError("images of mode I must hold values in 0..65535")
    # Pillow reads native-order uint16 back as I;16.
    return Image.fromarray(upscale(values.astype(np.uint16)))
