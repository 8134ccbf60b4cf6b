"""What PSNR does not see: lost detail, shifted colour, and a result that is no longer its input.

Every measure is one function of 8-bit RGB arrays. `facesr_cli.bench.niqe` has the one that needs no original,
`facesr_cli.bench.spectrum` the energy of fine detail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from facesr_cli.bench.degradations import REPEATABLE
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.bench.niqe import niqe
from facesr_cli.bench.spectrum import high_frequency_energy

COLOUR_BLOCK_PX = 8

# scikit-image has no annotations; (..., 3) arrays in, (..., 3) and (...) out.
_rgb2lab: Callable[..., NDArray[np.float64]] = rgb2lab
_ciede2000: Callable[..., NDArray[np.float64]] = deltaE_ciede2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The measures beside PSNR of one result."""

    high_frequency_energy: float | None
    niqe: float | None
    block_colour_difference: float
    low_resolution_consistency_db: float | None


def measure(
    result: NDArray[np.uint8], original: NDArray[np.uint8], low: NDArray[np.uint8], *, degradation: str
) -> Measures:
    """Return all measures of a (s h, s w, 3) uint8 RGB result.

    Args:
        result: What a model made of `low`.
        original: (s h, s w, 3) uint8 RGB.
        low: (h, w, 3) uint8 RGB low-resolution photograph.
        degradation: What made `low`; the consistency is None unless it is a key of `REPEATABLE`.
    """
    degrade = REPEATABLE.get(degradation)
    return Measures(
        high_frequency_energy=high_frequency_energy(result, original),
        niqe=niqe(result),
        block_colour_difference=block_colour_difference(result, original),
        low_resolution_consistency_db=(
            None if degrade is None else low_resolution_consistency_db(result, low, degrade)
        ),
    )


def block_colour_difference(result: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the mean CIEDE2000 between the 8x8 px block averages of a result and those of the original.

    Averages are of sRGB values, not of linear light: a blur keeps them as they are, whereas averages in
    linear light grow darker as contrast is lost, so that a soft result would seem to have another colour.
    CIEDE2000 (Sharma, Wu, Dalal 2005, doi 10.1002/col.20070) with kL = kC = kH = 1 on CIELAB of D65; about 1
    can just be seen side by side. Blocks lie from the top left corner; up to 7 px at the right and at the
    bottom are left out.

    Args:
        result: (H, W, 3) uint8 sRGB, both sides at least 8 px.
        original: (H, W, 3) uint8 sRGB.

    Raises:
        ValueError: The shapes differ, or there is no whole block.
    """
    _check_shapes(result, original)
    return float(_ciede2000(_block_colours(original), _block_colours(result)).mean())


def low_resolution_consistency_db(
    result: NDArray[np.uint8],
    low: NDArray[np.uint8],
    degrade: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
) -> float:
    """Return the PSNR in decibels between the degraded result and the low-resolution photograph it came from.

    PSNR as of `psnr_db`: 8-bit RGB, full frame, peak 255, both rounded; infinite where the two are equal. A
    result that invents something that the photograph contradicts has a low one, however sharp it is.

    Args:
        result: (2h, 2w, 3) uint8 RGB.
        low: (h, w, 3) uint8 RGB.
        degrade: The degradation that made `low`, from (2h, 2w, 3) to (h, w, 3) uint8 RGB.

    Raises:
        ValueError: The degraded result is not of the size of `low`.
    """
    return psnr_db(degrade(result), low)


def _block_colours(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the CIELAB colours of the block averages, (H // 8, W // 8, 3) float64."""
    rows, columns = image.shape[0] // COLOUR_BLOCK_PX, image.shape[1] // COLOUR_BLOCK_PX
    if rows == 0 or columns == 0:
        raise ValueError(f"{image.shape[1]}x{image.shape[0]} has no block of {COLOUR_BLOCK_PX} px")
    whole = image[: rows * COLOUR_BLOCK_PX, : columns * COLOUR_BLOCK_PX]
    blocks = whole.reshape(rows, COLOUR_BLOCK_PX, columns, COLOUR_BLOCK_PX, 3)
    return _rgb2lab(blocks.mean(axis=(1, 3)) / 255)


def _check_shapes(result: NDArray[np.uint8], original: NDArray[np.uint8]) -> None:
    if result.shape != original.shape:
        raise ValueError(f"the result is {result.shape}, the original {original.shape}")
