"""The degradations of `facesr_cli.bench.degradations` as tensor code, for batches on the training device.

Names, constants and parameters come from there; tests hold the two within one 8-bit level of each other, of
`real` before JPEG, which may code a sample that is rounded the other way differently.
All pictures of a batch go through the same few operations, whatever is done to each: blur and halving of a
line are one matrix, which differs from picture to picture. Only noise and JPEG are for those of `real` alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facesr_cli.bench.degradations import (
    BLUR_SIGMA_RANGE_PX,
    JPEG_QUALITY_RANGE,
    NOISE_SIGMA_RANGE,
    PAPER_BLUR_RADIUS_PX,
    PAPER_BLUR_SIGMA_PX,
    RESIZE_NAMES,
    RealParameters,
)
from facesr_train.draws import Draws
from facesr_train.jpeg import jpeg_round_trip
from facesr_train.resize import (
    BLUR_RADIUS_PX,
    FILTERS,
    LATE_BLUR_RADIUS_PX,
    LATE_TAPS,
    TAPS,
    WEIGHTS,
    reduce,
)

NAMES = ("paper", "paper-alt", "bicubic", "real")

CONTEXT_PX = 16
"""High-resolution pixels around a crop that may reach into its low-resolution picture: the blur's radius
(7 at most) plus the longest resize filter's (6), rounded up to keep JPEG blocks whole."""


VARIED_PAPER_SIGMA_RANGE_PX = (0.5, 8.0)
"""Of the 7x7 blur of a varied `paper`; at 8 its taps are nearly equal. Drawn evenly in the logarithm."""
VARIED_BICUBIC_SIGMA_RANGE_PX = (0.0, 0.7)
"""Of a blur at full size before the halving of a varied `bicubic`, whose filter is any of `RESIZE_NAMES`."""
VARIED_BLUR_SIGMA_RANGE_PX = (0.1, 2.2)
VARIED_NOISE_SIGMA_RANGE = (0.0, 9.0)
VARIED_JPEG_QUALITY_RANGE = (50, 100)
"""Of a varied `real`, around the ranges of `bench`."""

_RESIZE_FILTERS = np.array([FILTERS.index(name) for name in RESIZE_NAMES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradations:
    """What is done to each of N pictures; tensors of one device."""

    weights: Tensor
    """(N, WEIGHTS) float32: blur and halving, see `resize.reduction_basis`."""
    coded: Tensor
    """(R,) int64: those of the N that get noise and pass through JPEG, the ones in 4:4:4 first."""
    noise_sigma: Tensor
    """(R,) float32, in levels."""
    jpeg_quality: Tensor
    """(R,) int64, libjpeg's scale."""
    full_colour: int
    """How many of the R are stored in 4:4:4; the others in 4:2:0."""


def draw_degradations(
    draws: Draws,
    shares: Mapping[str, float],
    *,
    varied_share: float,
    averaged: NDArray[np.bool_] | None = None,
) -> Degradations:
    """Draw what is done to each crop of a batch, on the CPU.

    Args:
        draws: Source of all numbers.
        shares: Degradation name -> relative frequency.
        varied_share: Share of the crops, 0 to 1, for which parameters are drawn continuously from the wider
            ranges above, so that a network does not learn three points only.
        averaged: (N,) Those that are halved by means of 2x2 pixels and nothing else, as drawings often are.
    """
    names = sorted(shares)  # the order of a recipe's table must not change what is drawn
    limits = np.cumsum([shares[name] for name in names])
    kind = np.searchsorted(limits, draws.uniform(0, limits[-1]), side="right").clip(max=len(names) - 1)
    varied = draws.happens(varied_share)

    def of_kind(*wanted: str) -> NDArray[np.bool_]:
        return np.isin(kind, [names.index(name) for name in wanted if name in names])

    if averaged is None:
        averaged = np.zeros(len(kind), np.bool_)
    names.append("averaged")
    kind = np.where(averaged, len(names) - 1, kind)
    papers, bicubics, reals = of_kind("paper", "paper-alt"), of_kind("bicubic"), of_kind("real")
    paper_sigma = np.exp(draws.uniform(*np.log(VARIED_PAPER_SIGMA_RANGE_PX)))
    paper_sigma = np.where(varied, paper_sigma, PAPER_BLUR_SIGMA_PX)
    bicubic_sigma = np.where(varied, draws.uniform(*VARIED_BICUBIC_SIGMA_RANGE_PX), 0)
    real_sigma = draws.uniform(*_either(varied, VARIED_BLUR_SIGMA_RANGE_PX, BLUR_SIGMA_RANGE_PX))
    real_sigma = np.where(draws.happens(0.5), real_sigma, 0)
    any_filter = _RESIZE_FILTERS[draws.below(len(RESIZE_NAMES))]
    filters = np.select(
        [averaged, papers, reals | varied],
        [np.int64(FILTERS.index("area")), np.int64(FILTERS.index("bilinear")), any_filter],
        FILTERS.index("bicubic"),
    )
    low, high = _either(varied, VARIED_JPEG_QUALITY_RANGE, JPEG_QUALITY_RANGE)
    return _degradations(
        sigma_px=np.select([averaged, papers, bicubics], [0, paper_sigma, bicubic_sigma], real_sigma),
        fixed_radius=papers,
        filters=filters,
        late=of_kind("paper-alt"),
        coded=reals,
        noise_sigma=draws.uniform(*_either(varied, VARIED_NOISE_SIGMA_RANGE, NOISE_SIGMA_RANGE)),
        jpeg_quality=np.floor(draws.uniform(low, high + 1)).astype(np.int64),
        subsampling_420=draws.happens(0.5),
    )


def defined_degradations(kinds: Sequence[str], reals: Sequence[RealParameters] = ()) -> Degradations:
    """What `bench` does to pictures of these kinds, on the CPU.

    Args:
        kinds: N names from `NAMES`.
        reals: Parameters of each `real` among them, in their order; `noise_seed` is not used.
    """
    n = len(kinds)
    papers = np.isin(kinds, ("paper", "paper-alt"))
    coded = np.isin(kinds, ("real",))
    sigma_px = np.where(papers, PAPER_BLUR_SIGMA_PX, 0)
    filters = np.full(n, FILTERS.index("bicubic"))
    filters[papers] = FILTERS.index("bilinear")
    noise_sigma, jpeg_quality, subsampling_420 = np.zeros(n), np.ones(n, np.int64), np.zeros(n, np.bool_)
    for index, real in zip(np.flatnonzero(coded), reals, strict=True):
        sigma_px[index] = real.blur_sigma or 0.0
        filters[index] = FILTERS.index(real.resize)
        noise_sigma[index], jpeg_quality[index] = real.noise_sigma, real.jpeg_quality
        subsampling_420[index] = real.subsampling_420
    return _degradations(
        sigma_px=sigma_px,
        fixed_radius=papers,
        filters=filters,
        late=np.isin(kinds, ("paper-alt",)),
        coded=coded,
        noise_sigma=noise_sigma,
        jpeg_quality=jpeg_quality,
        subsampling_420=subsampling_420,
    )


def draw_real_parameters(rng: random.Random) -> RealParameters:
    """Parameters of `real` from the same ranges that `bench` draws from."""
    return RealParameters(
        blur_sigma=rng.uniform(*BLUR_SIGMA_RANGE_PX) if rng.random() < 0.5 else None,
        resize=rng.choice(RESIZE_NAMES),
        noise_sigma=rng.uniform(*NOISE_SIGMA_RANGE),
        jpeg_quality=rng.randint(*JPEG_QUALITY_RANGE),
        subsampling_420=rng.random() < 0.5,
        noise_seed=0,
    )


def draw_noise(hr: Tensor, degradations: Degradations, generator: torch.Generator) -> Tensor:
    """The noise that `degrade` needs: (R, 3, H / 2, W / 2) float32 of standard deviation 1.

    Args:
        hr: (N, 3, H, W), the pictures that will be degraded.
        degradations: What will be done to them.
        generator: On the device of `hr`.
    """
    shape = (len(degradations.coded), 3, hr.shape[2] // 2, hr.shape[3] // 2)
    return torch.randn(shape, generator=generator, device=hr.device)


def degrade(hr: Tensor, degradations: Degradations, noise: Tensor) -> Tensor:
    """Halve each picture by the degradation that is drawn or defined for it, rounded to 8 bit once or twice.

    Args:
        hr: (N, 3, H, W) uint8 RGB; H and W multiples of 32 where there is a `real`, else even.
        degradations: On the device of `hr`.
        noise: As `draw_noise` gives it.

    Returns:
        (N, 3, H / 2, W / 2) uint8 RGB.
    """
    levels = reduce(hr.float(), degradations.weights)
    lr = _to_uint8(levels)
    if not len(degradations.coded):
        return lr
    sigma = degradations.noise_sigma.view(-1, 1, 1, 1)
    noisy = _to_uint8(levels.index_select(0, degradations.coded) + sigma * noise)
    coded = jpeg_round_trip(noisy, degradations.jpeg_quality, full_colour=degradations.full_colour)
    return lr.index_copy_(0, degradations.coded, coded)


def _degradations(
    *,
    sigma_px: NDArray[np.float64],
    fixed_radius: NDArray[np.bool_],
    filters: NDArray[np.int64],
    late: NDArray[np.bool_],
    coded: NDArray[np.bool_],
    noise_sigma: NDArray[np.float64],
    jpeg_quality: NDArray[np.int64],
    subsampling_420: NDArray[np.bool_],
) -> Degradations:
    """From N numbers of each sort; a blur is cut at 3 sigma, or at `paper`'s radius where that is fixed."""
    radius = np.where(fixed_radius, PAPER_BLUR_RADIUS_PX, np.ceil(3 * sigma_px))
    taps = _gaussian_taps(sigma_px, radius)
    weights = np.zeros((len(taps), WEIGHTS), np.float32)
    early = np.flatnonzero(~late)
    columns = TAPS * filters[early, None] + np.arange(TAPS)
    weights[early[:, None], columns] = taps[early]
    middle = slice(BLUR_RADIUS_PX - LATE_BLUR_RADIUS_PX, BLUR_RADIUS_PX + LATE_BLUR_RADIUS_PX + 1)
    weights[late, -LATE_TAPS:] = taps[late, middle]
    order = np.concatenate(
        [np.flatnonzero(coded & ~subsampling_420), np.flatnonzero(coded & subsampling_420)]
    )
    return Degradations(
        weights=torch.from_numpy(weights),
        coded=torch.from_numpy(order),
        noise_sigma=torch.from_numpy(noise_sigma[order].astype(np.float32)),
        jpeg_quality=torch.from_numpy(jpeg_quality[order]),
        full_colour=int((coded & ~subsampling_420).sum()),
    )


def _gaussian_taps(sigma_px: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, TAPS) taps, as `bench`'s `gaussian_taps` gives them for one; sigma 0 means no blur."""
    offsets = np.arange(-BLUR_RADIUS_PX, BLUR_RADIUS_PX + 1)
    sigma = np.where(sigma_px > 0, sigma_px, 1)[:, None]
    taps = np.exp(-0.5 * (offsets / sigma) ** 2) * (np.abs(offsets) <= radius[:, None])
    return np.asarray(taps / taps.sum(1, keepdims=True))


def _either(
    varied: NDArray[np.bool_], wide: tuple[float, float], defined: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(low, high) of the range for each picture."""
    return np.where(varied, wide[0], defined[0]), np.where(varied, wide[1], defined[1])


def _to_uint8(levels: Tensor) -> Tensor:
    return levels.round().clamp(0, 255).to(torch.uint8)
