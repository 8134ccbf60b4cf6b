"""PSNR on RGB, and on luma as the literature reports it; NumPy alone, as validation in training uses it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# ITU-R BT.601 studio-range luma, Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 for R, G, B in 0-255: what
# MATLAB's rgb2ycbcr computes and super-resolution papers report. A full-range luma would read 1.3 dB lower.
_LUMA_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255
_LUMA_OFFSET = 16.0


def psnr_db(result: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return 10 log10(255^2 / MSE) over all samples of two uint8 arrays of one shape; inf if they are equal.

    Raises:
        ValueError: The shapes differ or the arrays are not uint8.
    """
    check_comparable(result, original)
    return _psnr_db(np.subtract(result, original, dtype=np.float64))


def psnr_y_db(result: NDArray[np.uint8], original: NDArray[np.uint8], border: int) -> float:
    """Return the PSNR of the BT.601 luma of two (H, W, 3) uint8 RGB arrays, without `border` px at each edge.

    The luma is neither rounded nor clipped; the peak is 255, as in the literature.

    Raises:
        ValueError: The shapes differ, the arrays are not uint8, or nothing is left inside the border.
    """
    check_comparable(result, original)
    height_px, width_px = original.shape[:2]
    if min(height_px, width_px) <= 2 * border:
        raise ValueError(f"a border of {border} px leaves nothing of {width_px}x{height_px}")
    inner = (slice(border, height_px - border), slice(border, width_px - border))
    return _psnr_db(luma(result[inner]) - luma(original[inner]))


def luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the (H, W) float64 BT.601 luma of a (H, W, 3) uint8 RGB image, 16 to 235, not rounded."""
    return np.asarray(image.astype(np.float64) @ _LUMA_WEIGHTS + _LUMA_OFFSET)


def check_comparable(result: NDArray[np.uint8], original: NDArray[np.uint8]) -> None:
    """Refuse what is not two uint8 arrays of one shape.

    Raises:
        ValueError: The shapes differ or the arrays are not uint8.
    """
    if result.dtype != np.uint8 or original.dtype != np.uint8:
        raise ValueError(f"expected uint8 arrays, got {result.dtype} and {original.dtype}")
    if result.shape != original.shape:
        raise ValueError(f"the result is {result.shape}, the original {original.shape}")


def _psnr_db(error: NDArray[np.float64]) -> float:
    mean_squared = float(np.mean(error * error))
    return 10 * math.log10(255**2 / mean_squared) if mean_squared else math.inf
