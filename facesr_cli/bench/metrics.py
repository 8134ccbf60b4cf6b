"""How close a result is to the original: PSNR on RGB, SSIM, and PSNR on luma as the literature reports it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

SSIM_WINDOW_PX = 7

# scikit-image has no annotations; both return one number for the arguments used here.
_skimage_psnr: Callable[..., float] = peak_signal_noise_ratio
_skimage_ssim: Callable[..., float] = structural_similarity

# ITU-R BT.601 studio-range luma, Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 for R, G, B in 0-255: what
# MATLAB's rgb2ycbcr computes and super-resolution papers report. A full-range luma would read 1.3 dB lower.
_LUMA_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255
_LUMA_OFFSET = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The three figures of one result against its original."""

    psnr_db: float
    """PSNR over all RGB samples in decibels; infinite where the two are equal."""
    ssim: float
    """Mean structural similarity of the three channels, 1 where the two are equal."""
    psnr_y_db: float
    """PSNR of the BT.601 luma in decibels, `border` pixels at each edge left out."""


def psnr_db(result: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return 10 log10(255^2 / MSE) over all samples of two uint8 arrays of one shape; inf if they are equal.

    Raises:
        ValueError: The shapes differ or the arrays are not uint8.
    """
    _check(result, original)
    if np.array_equal(result, original):
        return math.inf
    return float(_skimage_psnr(original, result, data_range=255))


def ssim(result: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the mean structural similarity of two (H, W, 3) uint8 arrays, both sides at least 7 px.

    Uniform 7x7 window, K1 = 0.01, K2 = 0.03, sample covariance: scikit-image's defaults (Wang et al. 2004,
    doi 10.1109/TIP.2003.819861, used a Gaussian window instead).

    Raises:
        ValueError: The shapes differ, the arrays are not uint8, or a side is shorter than the window.
    """
    _check(result, original)
    return float(_skimage_ssim(original, result, win_size=SSIM_WINDOW_PX, channel_axis=-1, data_range=255))


def psnr_y_db(result: NDArray[np.uint8], original: NDArray[np.uint8], border: int) -> float:
    """Return the PSNR of the BT.601 luma of two (H, W, 3) uint8 RGB arrays, without `border` px at each edge.

    The luma is neither rounded nor clipped; the peak is 255, as in the literature.

    Raises:
        ValueError: The shapes differ, the arrays are not uint8, or nothing is left inside the border.
    """
    _check(result, original)
    height_px, width_px = original.shape[:2]
    if min(height_px, width_px) <= 2 * border:
        raise ValueError(f"a border of {border} px leaves nothing of {width_px}x{height_px}")
    inner = (slice(border, height_px - border), slice(border, width_px - border))
    difference = luma(result[inner]) - luma(original[inner])
    mean_squared = float(np.mean(difference**2))
    return math.inf if mean_squared == 0 else 10 * math.log10(255**2 / mean_squared)


def score(result: NDArray[np.uint8], original: NDArray[np.uint8], *, border: int) -> Scores:
    """Return all three figures of an (H, W, 3) uint8 RGB result."""
    return Scores(
        psnr_db=psnr_db(result, original),
        ssim=ssim(result, original),
        psnr_y_db=psnr_y_db(result, original, border),
    )


def luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the (H, W) float64 BT.601 luma of a (H, W, 3) uint8 RGB image, 16 to 235, not rounded."""
    return np.asarray(image.astype(np.float64) @ _LUMA_WEIGHTS + _LUMA_OFFSET)


def _check(result: NDArray[np.uint8], original: NDArray[np.uint8]) -> None:
    if result.dtype != np.uint8 or original.dtype != np.uint8:
        raise ValueError(f"expected uint8 arrays, got {result.dtype} and {original.dtype}")
    if result.shape != original.shape:
        raise ValueError(f"the result is {result.shape}, the original {original.shape}")
