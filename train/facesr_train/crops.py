"""Random crops of the training photographs, drawn more often where a photograph is sharp."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from facesr_train.augmentation import (
    SMALLEST_SCALE,
    SOFTEST_SCALE,
    Augmentation,
    change_colours,
    drawn,
    ramp,
    reduce_window,
    soften_window,
)
from facesr_train.degradations import CONTEXT_PX, degrade
from facesr_train.hardware import memory_layout

NO_AUGMENTATION = Augmentation()

CELL_PX = 32
"""Side of the cells in which sharpness is measured."""


class PairSource:
    """Batches of (low resolution, high resolution) crops; a pure function of seed and step.

    Because nothing is remembered between batches, a resumed run draws exactly what an uninterrupted one
    would have drawn, on any number of devices.
    """

    def __init__(
        self,
        photographs: Sequence[Tensor],
        *,
        shares: Mapping[str, float],
        sharp_share: float,
        augmentation: Augmentation = NO_AUGMENTATION,
        seed: int,
        rank: int,
        device: torch.device,
    ) -> None:
        """Measure sharpness once.

        Args:
            photographs: (3, H, W) uint8 RGB tensors, on any device.
            shares: Degradation name -> relative frequency.
            sharp_share: 0: every place is as likely; 1: in proportion to its mean absolute gradient.
            augmentation: What else is done to crops.
            seed: Of the run.
            rank: Of this process among those that train together.
            device: Where batches are made.
        """
        self._photographs = photographs
        self._kinds = tuple(sorted(shares))  # the order of a recipe's table must not change what is drawn
        self._weights = tuple(shares[kind] for kind in self._kinds)
        self._augmentation = augmentation
        self._seed, self._rank, self._device = seed, rank, device
        self._cells = [_cumulative_sharpness(photograph, sharp_share) for photograph in photographs]

    def batch(self, step: int, size: int, hr_crop_px: int) -> tuple[Tensor, Tensor]:
        """The batch of one step.

        Returns:
            Low resolution (size, 3, c/2, c/2) and high resolution (size, 3, c, c), float32 RGB in [0, 1],
            for c = `hr_crop_px`.
        """
        rng = random.Random(f"{self._seed}/{self._rank}/{step}")
        noise = torch.Generator(self._device).manual_seed(rng.getrandbits(62))
        windows = torch.stack([self._window(rng, hr_crop_px + 2 * CONTEXT_PX) for _ in range(size)])
        kinds = rng.choices(self._kinds, self._weights, k=size)
        lr = degrade(windows, kinds, rng, noise, varied_share=self._augmentation.varied_share)
        trim = CONTEXT_PX // 2
        lr = lr[..., trim:-trim, trim:-trim]
        hr = windows[..., CONTEXT_PX:-CONTEXT_PX, CONTEXT_PX:-CONTEXT_PX]
        layout = memory_layout(self._device)
        return lr.float().div(255).contiguous(memory_format=layout), hr.float().div(255).contiguous(
            memory_format=layout
        )

    def _window(self, rng: random.Random, side_px: int) -> Tensor:
        """One (3, side, side) uint8 window around a drawn place, mirrored half of the time."""
        index = rng.randrange(len(self._photographs))
        photograph, (cumulative, columns) = self._photographs[index], self._cells[index]
        cell = int(torch.searchsorted(cumulative, torch.tensor(rng.random() * float(cumulative[-1]))))
        cell = min(cell, len(cumulative) - 1)
        _, height, width = photograph.shape
        if drawn(rng, self._augmentation.flat_share):
            return ramp(side_px, rng, self._device)
        taken_px = side_px
        soft = drawn(rng, self._augmentation.soft_share)
        if soft:
            taken_px = round(side_px * rng.uniform(SOFTEST_SCALE, 1))
        elif drawn(rng, self._augmentation.rescale_share):
            taken_px = min(round(side_px / rng.uniform(SMALLEST_SCALE, 1)), height, width)
        top = _place((cell // columns + rng.random()) * CELL_PX, taken_px, height)
        left = _place((cell % columns + rng.random()) * CELL_PX, taken_px, width)
        window = photograph[:, top : top + taken_px, left : left + taken_px].to(self._device)
        window = soften_window(window, side_px) if soft else reduce_window(window, side_px)
        if drawn(rng, self._augmentation.colour_share):
            window = change_colours(window, rng)
        return window.flip(2) if rng.random() < 0.5 else window


def _place(centre_px: float, side_px: int, length_px: int) -> int:
    """Start of a window of `side_px` around `centre_px`, moved inside [0, length_px)."""
    return min(max(round(centre_px) - side_px // 2, 0), length_px - side_px)


def _cumulative_sharpness(photograph: Tensor, sharp_share: float) -> tuple[Tensor, int]:
    """Cumulative probability of the cells in row order (float32, CPU), and the number of columns."""
    luma = photograph.float().mean(0)[None, None]
    gradient = F.pad((luma[..., 1:] - luma[..., :-1]).abs(), (0, 1)) + F.pad(
        (luma[..., 1:, :] - luma[..., :-1, :]).abs(), (0, 0, 0, 1)
    )
    energy = F.avg_pool2d(gradient, CELL_PX, ceil_mode=True)[0, 0]
    energy = energy / energy.mean().clamp_min(1e-6)
    probability = sharp_share * energy + (1 - sharp_share)
    return probability.flatten().cpu().cumsum(0), int(energy.shape[1])
