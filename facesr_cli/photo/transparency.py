"""Alpha: what the network sees below transparent pixels, and pictures composed on white."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_cli.photo.photograph import Photo, Samples


def bleed(photo: Photo) -> Photo:
    """Return `photo` with the colours of visible pixels spread over the wholly transparent ones.

    What is stored there is never seen, and often black. A network mixes neighbours, and would draw that as
    a dark fringe around what is visible. Pixels with any opacity keep their colour. The pixels of a photo
    without wholly transparent ones, or with nothing else, are returned as they are.
    """
    if photo.alpha is None:
        return photo
    hidden = photo.alpha == 0
    if not hidden.any() or hidden.all():
        return photo
    residual: Any = photo.residual
    return replace(
        photo,
        pixels=_spread(photo.pixels, hidden),
        # Only what is visible deserves its exact colour back; the colours just made up are all in sRGB.
        residual=None if residual is None else np.where(hidden[:, :, np.newaxis], 0, residual),
    )


def on_white(pixels: Samples, alpha: Samples) -> NDArray[np.uint8]:
    """Compose (H, W, C) uint8 with (H, W) uint8 alpha on white, rounded."""
    opacity = alpha[:, :, np.newaxis].astype(np.uint32)
    mixed = pixels.astype(np.uint32) * opacity + 255 * (255 - opacity)
    composed: NDArray[np.uint8] = ((mixed + 127) // 255).astype(np.uint8)
    return composed


def _spread(pixels: Samples, hidden: NDArray[np.bool_]) -> Any:
    """Fill the hidden pixels from means over ever larger squares (push-pull, Grossman and Dally 1998)."""
    visible = (~hidden).astype(np.float32)
    levels = [_halved(pixels * visible[:, :, np.newaxis], visible)]
    while levels[-1][1].min() == 0 and max(levels[-1][1].shape) > 1:
        levels.append(_halved(*levels[-1]))
    colour, weight = levels.pop()
    colour = _mean(colour, weight)
    for finer_colour, finer_weight in reversed(levels):
        below = _doubled(colour, finer_weight.shape)
        known = finer_weight[:, :, np.newaxis] > 0
        colour = np.where(known, _mean(finer_colour, finer_weight), below)
    filled = pixels.copy()
    spread = _doubled(colour, hidden.shape)[hidden]
    filled[hidden] = np.rint(spread).astype(pixels.dtype)
    return filled


def _mean(colour: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.divide(
        colour, np.maximum(weight, np.float32(1e-30))[:, :, np.newaxis], dtype=np.float32
    )
    return mean


def _halved(
    colour: NDArray[np.float32], weight: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means over 2x2 squares of (H, W, 3) weighted colour and of (H, W) weight; odd sides gain nothing."""
    height, width = weight.shape
    room = ((0, height % 2), (0, width % 2))
    colour, weight = np.pad(colour, (*room, (0, 0))), np.pad(weight, room)
    # (H, W, C) -> (H/2, 2, W/2, 2, C)
    squares = colour.reshape(colour.shape[0] // 2, 2, colour.shape[1] // 2, 2, 3)
    weights = weight.reshape(weight.shape[0] // 2, 2, weight.shape[1] // 2, 2)
    return np.mean(squares, axis=(1, 3), dtype=np.float32), np.mean(weights, axis=(1, 3), dtype=np.float32)


def _doubled(colour: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return colour.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]]
