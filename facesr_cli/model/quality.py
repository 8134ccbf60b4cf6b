"""Whether a lower precision keeps a network's quality, tried on a picture before `auto` settles on it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from facesr_cli.errors import UpscaleFailedError
from facesr_cli.model.engine import Engine

LEAST_AGREEMENT_DB = 55.0
"""PSNR between the two precisions that `auto` asks for. Independent errors add their squares, so a picture at
38.4 dB (face-x2 on `bicubic`) then loses at most 10 log10(1 + 10^((38.4 - 55) / 10)) = 0.094 dB."""


def agreement_db(engine: Engine, reference: Engine, shape: tuple[int, int, int]) -> float:
    """PSNR in dB, on 8-bit RGB, between what two engines make of one picture; infinite where they agree.

    Args:
        engine: Of the lower precision.
        reference: The same network in fp32.
        shape: (N, H, W) that the network takes.

    Returns:
        Minus infinity where one of them fails on it.
    """
    picture = sample_picture(*shape)
    try:
        first, means = engine.run(picture)
        second, _ = reference.run(picture)
    except UpscaleFailedError:
        return -math.inf
    if first.shape != second.shape or not np.isfinite(means).all():
        return -math.inf
    error = float(np.mean((first.astype(np.float64) - second) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def sample_picture(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """(N,H,W,3) uint8 RGB with what photographs have: smooth shades, edges, fine texture and some noise."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    random = np.random.default_rng(0)
    picture = np.empty((number, height, width, 3))
    for channel in range(3):
        shade = 128 + 70 * np.sin(rows / (23 + 5 * channel)) * np.cos(columns / (31 - 4 * channel))
        edges = 35 * np.sign(np.sin((rows + (1 + channel) * columns) / 17))
        texture = 12 * np.sin(columns * 1.7 + channel) * np.sin(rows * 2.1)
        picture[..., channel] = shade + edges + texture
    picture += random.normal(0, 2, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
