"""Changes of a crop before it is degraded: exposure and colour, and windows reduced to crops."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST_SCALE = 0.7
"""Of the window from which a rescaled crop is reduced: its side is at most 1 / 0.7 of the crop's."""
SOFTEST_SCALE = 0.4
"""Of the window from which a soft crop is enlarged, relative to the crop."""
PLAIN_SHARE = 0.5
"""Of the ramps, those of one colour throughout."""
GAMMA_RANGE = (0.8, 1.25)
EXPOSURE_RANGE = (0.8, 1.15)
BALANCE_RANGE = (0.94, 1.06)
"""Of each channel's gain, beside the exposure that all share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Shares of the crops, 0 to 1, that are changed in each way; all are mirrored half of the time."""

    varied_share: float = 0.0
    """Degraded with parameters from wider ranges, see `degradations.degrade`."""
    rescale_share: float = 0.0
    """Reduced from a larger window by bicubic with antialiasing, scale `SMALLEST_SCALE` to 1."""
    colour_share: float = 0.0
    """Changed by `change_colours`."""
    soft_share: float = 0.0
    """Enlarged from a smaller window by bicubic, scale `SOFTEST_SCALE` to 1, like a photograph that was
    upscaled before: what is not in the original must not be put in."""
    flat_share: float = 0.0
    """Replaced by a plain colour or a linear ramp of any colours, see `ramp`."""


def drawn(rng: random.Random, share: float) -> bool:
    """True for `share` of the calls; 0 draws nothing, so that the numbers after it stay the same."""
    return share > 0 and rng.random() < share


def reduce_window(window: Tensor, side_px: int) -> Tensor:
    """Reduce (3, s, s) uint8 RGB to (3, side, side) uint8 by antialiased bicubic; as it is where s = side."""
    if window.shape[-1] == side_px:
        return window
    reduced = F.interpolate(window.float()[None], (side_px, side_px), mode="bicubic", antialias=True)
    return reduced[0].round().clamp(0, 255).to(torch.uint8)


def soften_window(window: Tensor, side_px: int) -> Tensor:
    """Enlarge (3, s, s) uint8 RGB to (3, side, side) uint8 by bicubic."""
    enlarged = F.interpolate(window.float()[None], (side_px, side_px), mode="bicubic", align_corners=False)
    return enlarged[0].round().clamp(0, 255).to(torch.uint8)


def ramp(side_px: int, rng: random.Random, device: torch.device) -> Tensor:
    """A (3, side, side) uint8 window that goes evenly from one colour to another in a drawn direction.

    Some stay at one colour. Photographs of faces have few saturated colours; a network that sees these does
    not shift the ones that it is given.
    """
    first = torch.tensor([rng.uniform(0, 255) for _ in range(3)])
    last = first if rng.random() < PLAIN_SHARE else torch.tensor([rng.uniform(0, 255) for _ in range(3)])
    angle = rng.uniform(0, 2 * math.pi)
    position = torch.linspace(-1, 1, side_px)
    along = (math.cos(angle) * position[:, None] + math.sin(angle) * position) / math.sqrt(8) + 0.5
    colours = first[:, None, None] + (last - first)[:, None, None] * along
    return colours.round().to(torch.uint8).to(device)


def change_colours(window: Tensor, rng: random.Random) -> Tensor:
    """Apply a gamma and gains, on sRGB values: (3, H, W) uint8 to the same."""
    gamma, exposure = rng.uniform(*GAMMA_RANGE), rng.uniform(*EXPOSURE_RANGE)
    gains = [exposure * rng.uniform(*BALANCE_RANGE) for _ in range(3)]
    levels = torch.arange(256, dtype=torch.float32) / 255
    table = torch.stack([255 * gain * levels**gamma for gain in gains]).round().clamp(0, 255)
    table = table.to(torch.uint8).to(window.device)
    return torch.stack([table[channel][window[channel].long()] for channel in range(3)])
