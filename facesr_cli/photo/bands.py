"""Large pictures made band by band: one copy of 200 megapixels in a wider type would cost gigabytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BAND_PIXELS = 4_000_000
"""Handled at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Banded:
    """A picture that is computed where it is needed, a band of rows at a time."""

    shape: tuple[int, int, int]
    """(H, W, C)."""
    dtype: np.dtype[Any]
    """uint8 or uint16."""
    make: Callable[[slice], NDArray[Any]]
    """From rows to (h, W, C); the same whatever the bands are."""

    def whole(self) -> NDArray[Any]:
        """Return (H, W, C), all rows."""
        height, width, _ = self.shape
        if height * width <= BAND_PIXELS:
            return self.make(slice(0, height))
        samples = np.empty(self.shape, dtype=self.dtype)
        for rows in bands(height, width):
            samples[rows] = self.make(rows)
        return samples


def bands(height: int, width: int) -> Iterator[slice]:
    """Yield slices of rows that together cover (height, width), each of about `BAND_PIXELS`."""
    step = max(1, BAND_PIXELS // width)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))
