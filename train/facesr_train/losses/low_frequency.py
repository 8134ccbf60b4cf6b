"""The colour lock: what holds the averages of small blocks while texture is free to change."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True, kw_only=True)
class LowFrequencyConfig:
    """Which averages count."""

    block_px: int = 8
    """Side of the blocks, in pixels of the output; 8 is the block of the colour measure in `bench`."""

    def __post_init__(self) -> None:
        if self.block_px < 2:
            raise ValueError("loss low-frequency: block_px must be at least 2")


class LowFrequencyLoss(nn.Module):
    """Mean absolute difference of block averages.

    (N, 3, H, W) float32 RGB twice -> scalar. Pixels that fill no whole block at the right and lower
    border are left out.
    """

    def __init__(self, config: LowFrequencyConfig) -> None:
        super().__init__()
        self._block_px = config.block_px

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the difference."""
        return F.l1_loss(F.avg_pool2d(output, self._block_px), F.avg_pool2d(target, self._block_px))
