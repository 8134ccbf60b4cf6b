"""Energy of fine detail, which a soft result lacks; NumPy alone, as validation in training uses it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facesr_cli.bench.metrics import check_comparable, luma

CUTOFF_CYCLES_PER_PX = 0.25
"""What is finer than this is gone from a photograph of half the size."""


def high_frequency_energy(result: NDArray[np.uint8], original: NDArray[np.uint8]) -> float | None:
    """Return the energy of a result above 0.25 cycles per pixel, divided by that of the original.

    The energy is the sum of |F|^2 over the frequencies whose radius sqrt(fx^2 + fy^2) is above
    `CUTOFF_CYCLES_PER_PX`, corners of the spectrum included. F is the discrete Fourier transform of the whole
    frame: BT.601 luma as of `psnr_y_db`, less its mean, times a periodic Hann window of the frame's height
    and width, without which the jump from one edge to the opposite one would count as detail. 1: as much fine
    detail as in the original; 0: none. Noise and ringing are energy too, so more than 1 is not better than 1.

    Args:
        result: (H, W, 3) uint8 RGB.
        original: (H, W, 3) uint8 RGB.

    Returns:
        At least 0; None for a flat original, to whose energy of 0 nothing can be relative.

    Raises:
        ValueError: The shapes differ or the arrays are not uint8.
    """
    check_comparable(result, original)
    reference = _energy_above_cutoff(original)
    return None if reference == 0 else _energy_above_cutoff(result) / reference


def _energy_above_cutoff(image: NDArray[np.uint8]) -> float:
    height_px, width_px = image.shape[:2]
    levels = luma(image)
    if levels.min() == levels.max():
        return 0.0  # exactly, whatever the rounding of the mean
    # Without its last sample, which repeats the first, the window is periodic as the transform is.
    window = np.outer(np.hanning(height_px + 1)[:-1], np.hanning(width_px + 1)[:-1])
    spectrum = np.fft.rfft2((levels - levels.mean()) * window)
    power = spectrum.real**2 + spectrum.imag**2
    # The half spectrum stands for the whole: columns with a mirrored twin count twice.
    power[:, 1 : (width_px + 1) // 2] *= 2
    radius = np.hypot(np.fft.fftfreq(height_px)[:, np.newaxis], np.fft.rfftfreq(width_px))
    return float(power[radius > CUTOFF_CYCLES_PER_PX].sum())
