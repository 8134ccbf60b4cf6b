"""Random crops of the training photographs, changed and degraded.

A batch is drawn on the host, all numbers of all crops in a few numpy operations, sent to the training device
in one copy, and made there in operations that each serve the whole batch; nothing waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facesr_train.augmentation import (
    ALIGNED_SHARE,
    BALANCE_RANGE,
    BOX_SHARE,
    COLOUR_RANGE,
    EDGE_OFFSET_PX,
    EDGE_PX,
    EDGE_SHARE,
    ENLARGING_CUBIC,
    EXPOSURE_RANGE,
    GAMMA_RANGE,
    PLAIN_SHARE,
    POINT_SHARE,
    REDUCING_CUBIC,
    SMALLEST_SCALE,
    SOFTEST_SCALE,
    STRIPE_WIDTH_PX,
    Augmentation,
    change_colours,
    point_sampled,
    ramps,
    rescale,
)
from facesr_train.cells import Cells, sharpness
from facesr_train.degradations import CONTEXT_PX, Degradations, degrade, draw_degradations, draw_noise
from facesr_train.draws import Draws
from facesr_train.hardware import memory_layout
from facesr_train.transfer import moved
from facesr_train.windows import HostPhotographs, Places, ResidentPhotographs

NO_AUGMENTATION = Augmentation()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """All that is drawn for a batch of N crops; tensors of one device, positions are int64."""

    places: Places
    """Of all N windows."""
    rescaled: Tensor
    """(R,) positions of those that are reduced or enlarged, and where they are taken from:"""
    rescaled_places: Places
    cubic: Tensor
    """(R,) float32: a of the kernel."""
    recoloured: Tensor
    """(C,) positions of those whose colours change."""
    gamma: Tensor
    """(C,) float32."""
    gains: Tensor
    """(C, 3) float32."""
    flat: Tensor
    """(F,) positions of those that are plain colours, ramps, edges or stripes instead."""
    first_colour: Tensor
    colour_change: Tensor
    """(F, 3) float32 levels."""
    direction: Tensor
    """(F, 2) float32 unit vectors."""
    width_px: Tensor
    offset_px: Tensor
    period_px: Tensor
    """(F,) float32, see `ramps`."""
    point: Tensor
    """(K,) positions of the edges that are halved by taking one pixel of four, and which:"""
    point_place: Tensor
    """(K,) int64, see `point_sampled`."""
    degradations: Degradations
    noise_seed: int
    windows: Tensor
    """(N, 3, s, s) uint8, and"""
    rescaled_windows: Tensor
    """(R, 3, S, S) uint8, where they are cut out on the host; else both are empty."""


class PairSource:
    """Batches of (low resolution, high resolution) crops; a pure function of seed and step.

    Because nothing is remembered between batches, a resumed run draws exactly what an uninterrupted one
    would have drawn, on any number of devices, and batches may be made ahead of their step.
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
        resident: bool = False,
        frames: bool = False,
    ) -> None:
        """Measure sharpness once.

        Args:
            photographs: (3, H, W) uint8 RGB tensors on the CPU.
            shares: Degradation name -> relative frequency.
            sharp_share: 0: every place is as likely; 1: in proportion to its mean absolute gradient.
            augmentation: What else is done to crops.
            seed: Of the run.
            rank: Of this process among those that train together.
            device: Where batches are made.
            resident: Copy the photographs to `device` and cut crops out there.
            frames: Windows are photographs in themselves, see `DataSection.frames`.
        """
        self._frames = frames
        self._context_px = 0 if frames else CONTEXT_PX
        self._resident = ResidentPhotographs(photographs, device) if resident else None
        self._host = HostPhotographs(photographs)
        self._shares, self._augmentation = shares, augmentation
        self._seed, self._rank, self._device = seed, rank, device
        self._sides = np.array([photograph.shape[1:] for photograph in photographs])  # (P, 2): H, W
        self._cells = Cells([sharpness(photograph.to(device), sharp_share) for photograph in photographs])

    def batch(self, step: int, size: int, hr_crop_px: int) -> tuple[Tensor, Tensor]:
        """The batch of one step.

        Returns:
            Low resolution (size, 3, c/2, c/2) and high resolution (size, 3, c, c), float32 RGB in [0, 1],
            for c = `hr_crop_px`.
        """
        side_px = hr_crop_px + 2 * self._context_px
        plan = moved(self._plan(Draws(size, self._seed, self._rank, step), side_px), self._device)
        windows = self._windows(plan, side_px)
        noise = torch.Generator(self._device).manual_seed(plan.noise_seed)
        seen = windows
        if len(plan.point):
            blocks = point_sampled(windows.index_select(0, plan.point), plan.point_place)
            seen = windows.index_copy(0, plan.point, blocks)
        lr = degrade(seen, plan.degradations, draw_noise(windows, plan.degradations, noise))
        lr, hr = _inner(lr, self._context_px // 2), _inner(windows, self._context_px)
        layout = memory_layout(self._device)
        return lr.float().div(255).contiguous(memory_format=layout), hr.float().div(255).contiguous(
            memory_format=layout
        )

    def _plan(self, draws: Draws, side_px: int) -> BatchPlan:
        """Draw everything, on the CPU."""
        shares = self._augmentation
        photograph = draws.below(len(self._sides))
        if self._frames:
            *_, step = draws.key
            photograph = self._in_turn(step * draws.size, draws.size)
        centres_px = self._cells.draw(draws, photograph)
        flat = draws.happens(shares.flat_share)
        soft = draws.happens(shares.soft_share)
        sharper = draws.happens(shares.rescale_share) & ~soft
        scale = draws.uniform(np.where(soft, SOFTEST_SCALE, SMALLEST_SCALE), 1)
        taken_px = np.where(
            soft, np.rint(side_px * scale), np.where(sharper, np.rint(side_px / scale), side_px)
        )
        sides = self._sides[photograph]
        taken_px = np.minimum(taken_px.astype(np.int64), sides.min(1))
        corners = np.rint(centres_px).astype(np.int64) - taken_px[:, None] // 2
        corners = corners.clip(0, sides - taken_px[:, None])
        places = np.stack((photograph, *corners.T, taken_px, draws.happens(0.5)), 1)
        rescaled = np.flatnonzero((taken_px != side_px) & ~flat)
        recoloured = np.flatnonzero(draws.happens(shares.colour_share) & ~flat)
        gamma, exposure = draws.uniform(*GAMMA_RANGE), draws.uniform(*EXPOSURE_RANGE)
        gains = exposure[:, None] * np.stack([draws.uniform(*BALANCE_RANGE) for _ in range(3)], 1)
        first, last = (
            np.stack([draws.uniform(*COLOUR_RANGE) for _ in range(3)], 1).clip(0, 255) for _ in range(2)
        )
        change = np.where(draws.happens(PLAIN_SHARE)[:, None], 0, last - first)
        angle = draws.uniform(0, 2 * math.pi)
        angle = np.where(draws.happens(ALIGNED_SHARE), np.rint(angle * 4 / math.pi) * (math.pi / 4), angle)
        edge = draws.happens(EDGE_SHARE)
        width_px = np.where(edge, draws.uniform(*EDGE_PX), np.inf)
        offset_px = np.where(edge, draws.uniform(*EDGE_OFFSET_PX), 0)
        period_px = np.where(edge, 2 * np.exp(draws.uniform(*np.log(STRIPE_WIDTH_PX))), np.inf)
        ramped = np.flatnonzero(flat)
        averaged = flat & edge & change.any(1) & draws.happens(BOX_SHARE)
        point, place = np.flatnonzero(averaged & draws.happens(POINT_SHARE)), draws.below(4)
        degradations = draw_degradations(
            draws, self._shares, varied_share=shares.varied_share, averaged=averaged
        )
        everywhere, elsewhere = _places(places), _places(places[rescaled])
        none = torch.empty(0, dtype=torch.uint8)
        on_host = self._resident is None
        return BatchPlan(
            places=everywhere,
            rescaled=torch.from_numpy(rescaled),
            rescaled_places=elsewhere,
            cubic=_float32(np.where(soft, ENLARGING_CUBIC, REDUCING_CUBIC)[rescaled]),
            recoloured=torch.from_numpy(recoloured),
            gamma=_float32(gamma[recoloured]),
            gains=_float32(gains[recoloured]),
            flat=torch.from_numpy(ramped),
            first_colour=_float32(first[ramped]),
            colour_change=_float32(change[ramped]),
            direction=_float32(np.stack((np.cos(angle), np.sin(angle)), 1)[ramped]),
            width_px=_float32(width_px[ramped]),
            offset_px=_float32(offset_px[ramped]),
            period_px=_float32(period_px[ramped]),
            point=torch.from_numpy(point),
            point_place=torch.from_numpy(place[point]),
            degradations=degradations,
            noise_seed=draws.seed(),
            windows=self._host.windows(everywhere, side_px) if on_host else none,
            rescaled_windows=self._host.windows(elsewhere, _largest_px(side_px)) if on_host else none,
        )

    def _in_turn(self, first: int, count: int) -> NDArray[np.int64]:
        """The photographs at these places of a sequence in which each comes once before one comes again."""
        places = np.arange(first, first + count)
        rounds, place = np.divmod(places, len(self._sides))
        # Sorting uniform numbers, since those are all that `Draws` takes from numpy.
        orders = {
            int(number): Draws(len(self._sides), self._seed, self._rank, -1 - int(number)).uniform().argsort()
            for number in np.unique(rounds)
        }
        return np.array([orders[int(number)][index] for number, index in zip(rounds, place, strict=True)])

    def _windows(self, plan: BatchPlan, side_px: int) -> Tensor:
        """The high-resolution windows of a plan, (N, 3, side, side) uint8, on the device."""
        windows, larger = plan.windows, plan.rescaled_windows
        if self._resident is not None:
            windows = self._resident.windows(plan.places, side_px)
            larger = self._resident.windows(plan.rescaled_places, _largest_px(side_px))
        if len(plan.rescaled):
            changed = rescale(larger, plan.rescaled_places.taken_px, plan.cubic, side_px)
            windows.index_copy_(0, plan.rescaled, changed)
        if len(plan.recoloured):
            chosen = windows.index_select(0, plan.recoloured)
            windows.index_copy_(0, plan.recoloured, change_colours(chosen, plan.gamma, plan.gains))
        if len(plan.flat):
            colours = plan.first_colour, plan.colour_change
            edges = plan.direction, plan.width_px, plan.offset_px, plan.period_px
            flat = ramps(*colours, *edges, side_px)
            windows.index_copy_(0, plan.flat, flat)
        return windows


def _inner(pictures: Tensor, border_px: int) -> Tensor:
    """(N, 3, H, W) without `border_px` at each edge."""
    return pictures[
        ..., border_px : pictures.shape[-2] - border_px, border_px : pictures.shape[-1] - border_px
    ]


def _largest_px(side_px: int) -> int:
    """Side of the largest window that is reduced to `side_px`."""
    return round(side_px / SMALLEST_SCALE)


def _places(numbers: NDArray[np.int64]) -> Places:
    """From (N, 5) rows of photograph, top, left, side, mirrored."""
    photograph, top, left, taken_px, mirrored = torch.from_numpy(numbers).T.contiguous().unbind()
    return Places(photograph=photograph, top=top, left=left, taken_px=taken_px, mirrored=mirrored)


def _float32(numbers: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32))
