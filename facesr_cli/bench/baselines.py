"""The rows that every table has: Pillow's own enlargements of the same 8-bit low-resolution photograph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BASELINES: dict[str, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,  # a = -0.5
    "lanczos": Image.Resampling.LANCZOS,  # three lobes
}
"""Baseline by name, in the order of the table."""

REFERENCE_BASELINE = "bicubic"
"""The baseline that gains are counted from."""


def enlarge(low: NDArray[np.uint8], baseline: str, *, scale: int) -> NDArray[np.uint8]:
    """Enlarge a (h, w, 3) uint8 RGB photograph to (scale * h, scale * w, 3) uint8 RGB.

    Args:
        low: The low-resolution photograph.
        baseline: A key of `BASELINES`.
        scale: Factor per side.
    """
    height_px, width_px = low.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(low))
    return np.array(image.resize((scale * width_px, scale * height_px), BASELINES[baseline]))
