"""Random numbers for all crops of a batch at once, a pure function of what names the batch."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Draws:
    """One number for each of `size` crops at every call, independent of all others.

    Only uniform doubles are taken from numpy, whose other distributions may change with its version.
    """

    def __init__(self, size: int, *key: int) -> None:
        """Begin the sequence that belongs to `key`, for example (seed, rank, step)."""
        digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
        self._generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
        self.size, self.key = size, key

    def uniform(self, low: ArrayLike = 0.0, high: ArrayLike = 1.0) -> NDArray[np.float64]:
        """(size,) float64 in [low, high), which may be given for each crop."""
        low = np.asarray(low, np.float64)
        return np.asarray(low + (np.asarray(high, np.float64) - low) * self._generator.random(self.size))

    def happens(self, share: float) -> NDArray[np.bool_]:
        """(size,) bool, true with probability `share`."""
        return self._generator.random(self.size) < share

    def below(self, count: int) -> NDArray[np.int64]:
        """(size,) int64, each of 0 to count - 1 as likely."""
        return (self._generator.random(self.size) * count).astype(np.int64)

    def seed(self) -> int:
        """A number below 2^53 for another generator."""
        return int(self._generator.random() * 2**53)
