"""Where crops are taken: the cells of photographs, the sharp ones more often than flat background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from facesr_train.draws import Draws

CELL_PX = 32
"""Side of the cells in which sharpness is measured."""


class Cells:
    """The cells of all photographs with the probabilities at which they are drawn."""

    def __init__(self, weights: Sequence[NDArray[np.float64]]) -> None:
        """From the (rows, columns) weights of each photograph's cells, see `sharpness`."""
        self._columns = np.array([cells.shape[1] for cells in weights])
        self._ends = np.cumsum([cells.size for cells in weights])
        sums = [cells.cumsum() for cells in weights]
        # The cells of photograph i end at places between i and i + 1, so that one search serves all.
        self._limits = np.concatenate([index + line / line[-1] for index, line in enumerate(sums)])

    def draw(self, draws: Draws, photograph: NDArray[np.int64]) -> NDArray[np.float64]:
        """(N, 2) float64: a place (down, right) in a cell of each photograph, in pixels."""
        found = np.searchsorted(self._limits, photograph + draws.uniform(), side="right")
        found = np.minimum(found, self._ends[photograph] - 1)
        cell = found - np.concatenate(([0], self._ends))[photograph]
        row, column = np.divmod(cell, self._columns[photograph])
        return np.stack((row + draws.uniform(), column + draws.uniform()), 1) * CELL_PX


def sharpness(photograph: Tensor, sharp_share: float) -> NDArray[np.float64]:
    """(rows, columns) weights of the cells of a (3, H, W) uint8 photograph, 1 on average."""
    luma = photograph.float().mean(0)[None, None]
    gradient = F.pad((luma[..., 1:] - luma[..., :-1]).abs(), (0, 1)) + F.pad(
        (luma[..., 1:, :] - luma[..., :-1, :]).abs(), (0, 0, 0, 1)
    )
    energy = F.avg_pool2d(gradient, CELL_PX, ceil_mode=True)[0, 0]
    energy = energy / energy.mean().clamp_min(1e-6)
    return (sharp_share * energy + (1 - sharp_share)).double().cpu().numpy()
