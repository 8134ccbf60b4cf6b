"""How close a result is to the original: SSIM, and the figures of one result together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from facesr_cli.bench.metrics import check_comparable, psnr_db, psnr_y_db

SSIM_WINDOW_PX = 7

# scikit-image has no annotations; one number for the arguments used here.
_skimage_ssim: Callable[..., float] = structural_similarity


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The three figures of one result against its original."""

    psnr_db: float
    """PSNR over all RGB samples in decibels; infinite where the two are equal."""
    ssim: float
    """Mean structural similarity of the three channels, 1 where the two are equal."""
    psnr_y_db: float
    """PSNR of the BT.601 luma in decibels, `border` pixels at each edge left out."""


def ssim(result: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the mean structural similarity of two (H, W, 3) uint8 arrays, both sides at least 7 px.

    Uniform 7x7 window, K1 = 0.01, K2 = 0.03, sample covariance: scikit-image's defaults (Wang et al. 2004,
    doi 10.1109/TIP.2003.819861, used a Gaussian window instead).

    Raises:
        ValueError: The shapes differ, the arrays are not uint8, or a side is shorter than the window.
    """
    check_comparable(result, original)
    return float(_skimage_ssim(original, result, win_size=SSIM_WINDOW_PX, channel_axis=-1, data_range=255))


def score(result: NDArray[np.uint8], original: NDArray[np.uint8], *, border: int) -> Scores:
    """Return all three figures of an (H, W, 3) uint8 RGB result."""
    return Scores(
        psnr_db=psnr_db(result, original),
        ssim=ssim(result, original),
        psnr_y_db=psnr_y_db(result, original, border),
    )
