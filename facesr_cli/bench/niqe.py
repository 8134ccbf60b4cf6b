"""NIQE: how far the local statistics of a photograph are from those of sharp portraits, without its original.

A. Mittal, R. Soundararajan, A. C. Bovik, "Making a 'Completely Blind' Image Quality Analyzer", IEEE Signal
Processing Letters 20(3), 2013, doi 10.1109/LSP.2012.2227726. The features are those of the paper. The
statistics of sharp photographs are our own, so values compare with each other and not with those printed
elsewhere.
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d
from scipy.special import gamma

from facesr_cli.bench.degradations import gaussian_taps
from facesr_cli.bench.metrics import luma

BLOCK_PX = 96
"""Side of a block in the photograph; the same block has 48 px at the second scale."""

MIN_SIDE_PX = 2 * BLOCK_PX
"""Photographs with a shorter side have too few blocks for a covariance."""

SHARPNESS = 0.75
"""Pristine blocks are at least this sharp, as part of their photograph's sharpest (T in the paper)."""

MIN_PRISTINE_BLOCKS = 1000
"""With fewer, the covariance of 36 features is a guess."""

# Window of the local mean and deviation: 7x7, sigma 7/6 px, edge pixel repeated; C = 1 level.
_WINDOW_RADIUS_PX = 3
_WINDOW_SIGMA_PX = 7 / 6
_STABILISER = 1.0
# Rows and columns to the neighbour whose product with the pixel is looked at: right, below, both diagonals.
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
# Shapes of the generalised Gaussian that are told apart, and (E|x|)^2 / E(x^2) of each, which grows with it.
_SHAPES = np.arange(0.2, 10.001, 0.001)
_MOMENT_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))

_STATISTICS_FILE = "niqe.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class PristineStatistics:
    """The multivariate Gaussian of the features of sharp blocks."""

    mean: NDArray[np.float64]
    """(36,)"""
    covariance: NDArray[np.float64]
    """(36, 36), divided by the number of blocks less one."""
    blocks: int
    """Blocks it was fitted on."""
    photographs: int
    """Photographs those come from."""

    def save(self, path: Path) -> None:
        """Write an .npz file with the four fields; equal statistics give equal arrays in it."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            mean=self.mean,
            covariance=self.covariance,
            blocks=np.int64(self.blocks),
            photographs=np.int64(self.photographs),
        )
        path.write_bytes(buffer.getvalue())


@functools.cache
def pristine_statistics() -> PristineStatistics:
    """Return the statistics that come with the package.

    Fitted by `python -m benchmarks.fit_niqe` on the 380 training photographs of docs/models.md ("Data"), of
    other persons than the test set: each prepared as an original of `bench` (1024x1024), and of each the
    blocks that are at least `SHARPNESS` times as sharp as its sharpest, 1937 in all. On 20 other portraits
    the originals had 2.75 in the mean, bicubic enlargements of their `bicubic` halves 4.47 and the originals
    with Gaussian noise of 12.75 levels 6.36; the three were in this order on each of the 20.
    """
    data = resources.files("facesr_cli.bench").joinpath(_STATISTICS_FILE).read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return PristineStatistics(
            mean=arrays["mean"],
            covariance=arrays["covariance"],
            blocks=int(arrays["blocks"]),
            photographs=int(arrays["photographs"]),
        )


def niqe(image: NDArray[np.uint8], statistics: PristineStatistics | None = None) -> float | None:
    """Return the distance of a (H, W, 3) uint8 RGB photograph's statistics from sharp ones; lower is better.

    With mean m and covariance C of the features of all its blocks, and m', C' of sharp blocks, the square
    root of (m - m') ((C + C') / 2)^-1 (m - m')^T, with the pseudo-inverse. As many blocks of 96x96 px as fit
    lie in the middle; what is left at the edges is not looked at, nor are blocks without any structure. The
    luma is that of `psnr_y_db`: BT.601, studio range, not rounded.

    Args:
        image: The photograph.
        statistics: Of sharp blocks; None: those of the package.

    Returns:
        At least 0; None for a side shorter than `MIN_SIDE_PX` or fewer than two blocks with structure.
    """
    if min(image.shape[:2]) < MIN_SIDE_PX:
        return None
    features, _ = block_features(image)
    if len(features) < 2:
        return None
    pristine = statistics or pristine_statistics()
    difference = features.mean(axis=0) - pristine.mean
    covariance = (np.cov(features, rowvar=False) + pristine.covariance) / 2
    return float(np.sqrt(max(0.0, difference @ np.linalg.pinv(covariance, hermitian=True) @ difference)))


def sharp_features(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the features of the sharp blocks of a (H, W, 3) uint8 RGB photograph, to fit statistics on.

    Returns:
        (n, 36) float64, blocks of at least `SHARPNESS` of the photograph's sharpest block; n may be 0.
    """
    features, sharpness = block_features(image)
    return np.asarray(features[sharpness >= SHARPNESS * sharpness.max(initial=0.0)])


def fit_statistics(features: NDArray[np.float64], photographs: int) -> PristineStatistics:
    """Return mean and covariance of the (n, 36) features of sharp blocks.

    Raises:
        ValueError: There are fewer blocks than `MIN_PRISTINE_BLOCKS`.
    """
    if len(features) < MIN_PRISTINE_BLOCKS:
        raise ValueError(
            f"{len(features)} sharp blocks are too few for a covariance: {MIN_PRISTINE_BLOCKS} are needed"
        )
    return PristineStatistics(
        mean=features.mean(axis=0),
        covariance=np.cov(features, rowvar=False),
        blocks=len(features),
        photographs=photographs,
    )


def block_features(image: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the features and the sharpness of the blocks of a (H, W, 3) uint8 RGB photograph.

    Returns:
        (n, 36) float64: 18 features at full size, then 18 at half size (antialiased bicubic, a = -0.5), and
        (n,) float64: mean local deviation at full size in levels. Blocks are in rows from the top; those on
        which a feature is not defined, because nothing in them differs from its surroundings, are left out.
    """
    height_px, width_px = (side_px // BLOCK_PX * BLOCK_PX for side_px in image.shape[:2])
    top, left = (image.shape[0] - height_px) // 2, (image.shape[1] - width_px) // 2
    full = luma(image[top : top + height_px, left : left + width_px])
    normalised, deviation = _normalised(full)
    sharpness = _blocks(deviation, BLOCK_PX).mean(axis=(1, 2))
    half = Image.fromarray(full.astype(np.float32)).resize(
        (width_px // 2, height_px // 2), Image.Resampling.BICUBIC
    )
    half_normalised, _ = _normalised(np.asarray(half, dtype=np.float64))
    features = np.hstack(
        [_features(_blocks(normalised, BLOCK_PX)), _features(_blocks(half_normalised, BLOCK_PX // 2))]
    )
    defined = np.isfinite(features).all(axis=1)
    return features[defined], sharpness[defined]


def _normalised(image: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (image - local mean) / (local deviation + 1) and the local deviation, all (H, W) in levels."""
    mean = _windowed(image)
    deviation = np.sqrt(np.maximum(_windowed(image * image) - mean * mean, 0.0))
    return (image - mean) / (deviation + _STABILISER), deviation


def _windowed(image: NDArray[np.float64]) -> NDArray[np.float64]:
    taps = gaussian_taps(_WINDOW_RADIUS_PX, _WINDOW_SIGMA_PX)
    rows = correlate1d(image, taps, axis=0, mode="nearest")
    return np.asarray(correlate1d(rows, taps, axis=1, mode="nearest"))


def _blocks(image: NDArray[np.float64], side_px: int) -> NDArray[np.float64]:
    """Cut (H, W), multiples of the side, into (n, side, side)."""
    height_px, width_px = image.shape
    cut = image.reshape(height_px // side_px, side_px, width_px // side_px, side_px)
    return cut.swapaxes(1, 2).reshape(-1, side_px, side_px)


def _features(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the 18 features of (n, side, side) normalised blocks as (n, 18)."""
    shape, left, right, _ = asymmetric_gaussian(blocks)
    columns = [shape, (left + right) / 2]
    for offset in _NEIGHBOURS:
        # Beyond its edge a block goes on at its other side, as in the authors' program.
        shape, left, right, mean = asymmetric_gaussian(blocks * np.roll(blocks, offset, axis=(1, 2)))
        columns += [shape, mean, left, right]
    return np.stack(columns, axis=1)


def asymmetric_gaussian(
    blocks: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit an asymmetric generalised Gaussian to each of (n, side, side) blocks by its moments.

    Returns:
        Shape, left scale, right scale and mean, each (n,) float64; the shape lies within 0.2-10. A block
        without negative or without positive samples has no fit: not a number.
    """
    samples = blocks.reshape(len(blocks), -1)
    squares = samples * samples
    negative, positive = samples < 0, samples > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        left_square = np.einsum("ij,ij->i", squares, negative) / negative.sum(axis=1)
        right_square = np.einsum("ij,ij->i", squares, positive) / positive.sum(axis=1)
        ratio = np.sqrt(left_square / right_square)
        moments = np.abs(samples).mean(axis=1) ** 2 / squares.mean(axis=1)
        moments *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = np.interp(moments, _MOMENT_RATIOS, _SHAPES)
    to_scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    left, right = np.sqrt(left_square) * to_scale, np.sqrt(right_square) * to_scale
    return shape, left, right, (right - left) * gamma(2 / shape) / gamma(1 / shape)
