"""Changes of crops before they are degraded: size, exposure and colour, and ramps and stripes in their place.

All work on the crops of a batch that are drawn for them, at once; the numbers are drawn in `crops`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from facesr_train.resize import resample

SMALLEST_SCALE = 0.7
"""Of the window from which a rescaled crop is reduced: its side is at most 1 / 0.7 of the crop's."""
SOFTEST_SCALE = 0.4
"""Of the window from which a soft crop is enlarged, relative to the crop."""
REDUCING_CUBIC, ENLARGING_CUBIC = -0.5, -0.75
"""The a of the cubic kernels: the softer one reduces, as Pillow's bicubic; the sharper one, as that of OpenCV
and torch, enlarges."""
PLAIN_SHARE = 0.3
"""Of the ramps, those of one colour throughout."""
EDGE_SHARE = 0.7
EDGE_PX, EDGE_OFFSET_PX = (0.7, 3.0), (-2.0, 2.0)
"""Of the others, those that are edges, the pixels in which these pass from one colour to the other, and by
how many they miss the middle: drawn edges are sharper than a photograph's, and a network that sees none gives
them a halo."""
STRIPE_WIDTH_PX = (8.0, 200.0)
"""From one edge to the next, log-uniform: stripes have many edges in few crops."""
ALIGNED_SHARE = 0.5
"""Of ramps and edges, those that are level, upright or at 45 degrees, as drawn ones mostly are."""
BOX_SHARE, POINT_SHARE = 0.7, 0.5
"""Of the edges, those that are halved by means of 2x2 pixels; and of these, those of which one pixel of four
is taken instead. Only so can an edge of the small picture be as sharp as in a drawing, smooth or in steps."""
COLOUR_RANGE = (-50.0, 305.0)
"""From which the channels of these colours are drawn before they are cut off at 0 and 255: a network that
sees no channel at its end shifts the colours that are as saturated as can be."""
GAMMA_RANGE = (0.8, 1.25)
EXPOSURE_RANGE = (0.8, 1.15)
BALANCE_RANGE = (0.94, 1.06)
"""Of each channel's gain, beside the exposure that all share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Shares of the crops, 0 to 1, that are changed in each way; all are mirrored half of the time."""

    varied_share: float = 0.0
    """Degraded with parameters from wider ranges, see `degradations.draw_degradations`."""
    rescale_share: float = 0.0
    """Reduced from a larger window by bicubic with antialiasing, scale `SMALLEST_SCALE` to 1."""
    colour_share: float = 0.0
    """Changed by `change_colours`."""
    soft_share: float = 0.0
    """Enlarged from a smaller window by bicubic, scale `SOFTEST_SCALE` to 1, like a photograph that was
    upscaled before: what is not in the original must not be put in."""
    flat_share: float = 0.0
    """Replaced by a plain colour, a linear ramp, an edge or stripes of any colours, see `ramps`."""


def rescale(windows: Tensor, taken_px: Tensor, cubic: Tensor, side_px: int) -> Tensor:
    """Reduce or enlarge the upper left squares of windows to one size by bicubic, antialiased.

    Args:
        windows: (R, 3, S, S) uint8 RGB.
        taken_px: (R,) int64, the side of each square, at most S.
        cubic: (R,) float32, the kernel's a.
        side_px: Side of the result.

    Returns:
        (R, 3, side, side) uint8 RGB.
    """
    return _to_uint8(resample(windows.float(), taken_px, cubic, side_px))


def ramps(
    first: Tensor,
    change: Tensor,
    direction: Tensor,
    width_px: Tensor,
    offset_px: Tensor,
    period_px: Tensor,
    side_px: int,
) -> Tensor:
    """Windows that go from one colour to another: plain where the change is 0, ramps, edges or stripes.

    Photographs of faces have few saturated colours; a network that sees these does not shift the ones that it
    is given.

    Args:
        first: (F, 3) float32 RGB, 0 to 255, one of the two colours.
        change: (F, 3) float32, by which the other one differs.
        direction: (F, 2) float32, the unit vector (down, right) along which colours change.
        width_px: (F,) float32, pixels in which an edge passes from one colour to the other;
            infinite for a ramp over the whole window.
        offset_px: (F,) float32, by which it misses the middle.
        period_px: (F,) float32, pixels after which stripes repeat; infinite for a ramp.
        side_px: Side of the windows.

    Returns:
        (F, 3, side, side) uint8 RGB.
    """
    position = torch.linspace(-1, 1, side_px, device=first.device)
    down, right = direction[:, :1, None] * position[:, None], direction[:, 1:, None] * position
    across_px = (down + right) * (side_px - 1) / 2  # (F, side, side), from the middle
    whole_px = torch.full_like(width_px, (side_px - 1) * 2**0.5)
    width_px = torch.minimum(width_px, whole_px)[:, None, None]
    half_px = torch.minimum(period_px, 8 * whole_px)[:, None, None] / 2
    beyond_px = torch.remainder(across_px - offset_px[:, None, None], 2 * half_px)
    back = beyond_px >= half_px
    beyond_px = beyond_px - half_px * back
    nearest_px = torch.minimum(beyond_px, half_px - beyond_px)  # to where the colours change
    along = (torch.where(back, -nearest_px, nearest_px) / width_px + 0.5).clamp(0, 1)
    return _to_uint8(first[:, :, None, None] + change[:, :, None, None] * along[:, None])


def point_sampled(windows: Tensor, place: Tensor) -> Tensor:
    """Fill each block of 2x2 pixels with one of its pixels, so that means of blocks are that pixel.

    Args:
        windows: (K, 3, H, W) uint8, H and W even.
        place: (K,) int64, 0 to 3: which pixel, in reading order.
    """
    blocks = pixel_unshuffle(windows, 2).view(len(windows), 3, 4, windows.shape[2] // 2, -1)
    taken = blocks[torch.arange(len(windows), device=windows.device), :, place]
    return taken.repeat_interleave(2, 2).repeat_interleave(2, 3)


def change_colours(windows: Tensor, gamma: Tensor, gains: Tensor) -> Tensor:
    """Apply a gamma and gains, on sRGB values.

    Args:
        windows: (C, 3, H, W) uint8 RGB.
        gamma: (C,) float32, the exponent.
        gains: (C, 3) float32, the factor of each channel.

    Returns:
        (C, 3, H, W) uint8 RGB.
    """
    levels = torch.arange(256, dtype=torch.float32, device=windows.device) / 255
    table = _to_uint8(255 * gains[..., None] * levels ** gamma[:, None, None])  # (C, 3, 256)
    return table.gather(2, windows.flatten(2).long()).view(windows.shape)


def _to_uint8(levels: Tensor) -> Tensor:
    return levels.round().clamp(0, 255).to(torch.uint8)
