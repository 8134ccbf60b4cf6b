"""What keeps an adversarial network from a regular pattern: the places of a grid must not differ on average.

Networks that make several pixels from one place, by pixel-shuffle or transposed convolution, can give each
of them a brightness of its own, the checkerboard of Odena et al. 2016 (https://doi.org/10.23915/distill.00003).
A discriminator is slow to object where texture hides it; noisy pictures then show it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True, kw_only=True)
class GridConfig:
    """Which pattern counts."""

    period_px: int = 4
    """Of the pattern, in pixels of the output: what one place of the network's body makes."""
    window_cells: int = 8
    """Side of the windows, in periods, over which a place is averaged; texture averages out, a grid stays."""

    def __post_init__(self) -> None:
        if self.period_px < 2 or self.window_cells < 2:
            raise ValueError("loss grid: period_px and window_cells must be at least 2")


class GridLoss(nn.Module):
    """Mean absolute difference between a place's average error and that of all places of its window.

    (N, 3, H, W) float32 RGB twice, H and W multiples of the period -> scalar. An error that is the same at
    all places, as a shift of colour is, costs nothing.
    """

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        self._period_px, self._cells = config.period_px, config.window_cells

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the difference."""
        count, channels, _, _ = output.shape
        places = F.pixel_unshuffle(output - target, self._period_px)
        averages = F.avg_pool2d(places, self._cells, stride=max(1, self._cells // 2))
        averages = averages.view(count, channels, self._period_px**2, *averages.shape[2:])
        return (averages - averages.mean(2, keepdim=True)).abs().mean()
