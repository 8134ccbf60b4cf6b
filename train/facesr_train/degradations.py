"""The degradations of `facesr_cli.bench.degradations` as tensor code, for batches on the training device.

Names, constants and parameters come from there; tests hold the two within one 8-bit level of each other.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from facesr_cli.bench.degradations import (
    BLUR_SIGMA_RANGE_PX,
    JPEG_QUALITY_RANGE,
    NOISE_SIGMA_RANGE,
    PAPER_BLUR_RADIUS_PX,
    PAPER_BLUR_SIGMA_PX,
    RESIZE_NAMES,
    RealParameters,
    gaussian_taps,
)
from facesr_train.augmentation import drawn
from facesr_train.jpeg import jpeg_round_trip
from facesr_train.resize import halve

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


def degrade(
    hr: Tensor,
    kinds: Sequence[str],
    rng: random.Random,
    noise: torch.Generator,
    *,
    varied_share: float = 0.0,
) -> Tensor:
    """Halve each image by the degradation that is named for it.

    Args:
        hr: (N, 3, H, W) uint8 RGB; H and W multiples of 32 where `real` is named, else even.
        kinds: N names from `NAMES`.
        rng: Source of `real`'s parameters.
        noise: Source of `real`'s noise, on the device of `hr`.
        varied_share: Share of the images, 0 to 1, for which parameters are drawn continuously from the wider
            ranges above, so that a network does not learn three points only.

    Returns:
        (N, 3, H / 2, W / 2) uint8 RGB.
    """
    lr = hr.new_empty(hr.shape[0], 3, hr.shape[2] // 2, hr.shape[3] // 2)
    for kind in NAMES:
        chosen = [index for index, name in enumerate(kinds) if name == kind]
        if not chosen:
            continue
        images = hr[chosen]
        varied = [drawn(rng, varied_share) for _ in chosen]
        if kind in ("paper", "paper-alt"):
            sigmas_px = [_paper_sigma(rng, varied=one) for one in varied]
            lr[chosen] = paper(images, sigmas_px) if kind == "paper" else paper_alt(images, sigmas_px)
        elif kind == "bicubic":
            lr[chosen] = _varied_bicubic(images, varied, rng) if any(varied) else bicubic(images)
        else:
            parameters = [draw_real_parameters(rng, varied=one) for one in varied]
            shape = (len(chosen), *lr.shape[1:])
            lr[chosen] = real(images, parameters, torch.randn(shape, generator=noise, device=hr.device))
    return lr


def paper(hr: Tensor, sigmas_px: Sequence[float] | None = None) -> Tensor:
    """Gaussian 7x7, antialiased bilinear halving: (N, 3, H, W) uint8 -> (N, 3, H/2, W/2) uint8.

    Sigma is 5, or N numbers where `sigmas_px` is given.
    """
    blurred = _blur(hr.float(), _paper_taps(hr, sigmas_px))
    return _to_uint8(halve(blurred, ["bilinear"] * len(hr)))


def paper_alt(hr: Tensor, sigmas_px: Sequence[float] | None = None) -> Tensor:
    """Antialiased bilinear halving, then `paper`'s blur at half size. Arguments and shapes as `paper`."""
    halved = halve(hr.float(), ["bilinear"] * len(hr))
    return _to_uint8(_blur(halved, _paper_taps(hr, sigmas_px)))


def bicubic(hr: Tensor) -> Tensor:
    """Antialiased bicubic halving (a = -0.5). Shapes as `paper`."""
    return _to_uint8(halve(hr.float(), ["bicubic"] * len(hr)))


def real(hr: Tensor, parameters: Sequence[RealParameters], noise: Tensor) -> Tensor:
    """Blur, halve, add noise, round, and pass through JPEG, each image by its own parameters.

    Args:
        hr: (N, 3, H, W) uint8 RGB; H and W multiples of 32.
        parameters: N sets of parameters; their `noise_seed` is not used.
        noise: (N, 3, H / 2, W / 2) float32 of standard deviation 1.

    Returns:
        (N, 3, H / 2, W / 2) uint8 RGB.
    """
    device = hr.device
    blurred = _blur(hr.float(), _taps([p.blur_sigma or 0.0 for p in parameters], None, device))
    halved = halve(blurred, [p.resize for p in parameters])
    sigma = torch.tensor([p.noise_sigma for p in parameters], device=device).view(-1, 1, 1, 1)
    noisy = _to_uint8(halved + sigma * noise)
    for subsampling_420 in (False, True):
        chosen = [i for i, p in enumerate(parameters) if p.subsampling_420 == subsampling_420]
        if chosen:
            quality = torch.tensor([parameters[i].jpeg_quality for i in chosen], device=device)
            noisy[chosen] = jpeg_round_trip(noisy[chosen], quality, subsampling_420=subsampling_420)
    return noisy


def draw_real_parameters(rng: random.Random, *, varied: bool = False) -> RealParameters:
    """Parameters of `real` from the same ranges that `bench` draws from, or from the wider ones."""
    blur, noise, quality = BLUR_SIGMA_RANGE_PX, NOISE_SIGMA_RANGE, JPEG_QUALITY_RANGE
    if varied:
        blur, noise = VARIED_BLUR_SIGMA_RANGE_PX, VARIED_NOISE_SIGMA_RANGE
        quality = VARIED_JPEG_QUALITY_RANGE
    return RealParameters(
        blur_sigma=rng.uniform(*blur) if rng.random() < 0.5 else None,
        resize=rng.choice(RESIZE_NAMES),
        noise_sigma=rng.uniform(*noise),
        jpeg_quality=rng.randint(*quality),
        subsampling_420=rng.random() < 0.5,
        noise_seed=0,
    )


def _paper_sigma(rng: random.Random, *, varied: bool) -> float:
    if not varied:
        return PAPER_BLUR_SIGMA_PX
    low, high = VARIED_PAPER_SIGMA_RANGE_PX
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _paper_taps(hr: Tensor, sigmas_px: Sequence[float] | None) -> Tensor:
    sigmas = [PAPER_BLUR_SIGMA_PX] * len(hr) if sigmas_px is None else sigmas_px
    return _taps(sigmas, PAPER_BLUR_RADIUS_PX, hr.device)


def _varied_bicubic(hr: Tensor, varied: Sequence[bool], rng: random.Random) -> Tensor:
    """`bicubic`, and for the varied ones a slight blur and any filter."""
    sigmas = [rng.uniform(*VARIED_BICUBIC_SIGMA_RANGE_PX) if one else 0.0 for one in varied]
    filters = [rng.choice(RESIZE_NAMES) if one else "bicubic" for one in varied]
    return _to_uint8(halve(_blur(hr.float(), _taps(sigmas, None, hr.device)), list(filters)))


def _taps(sigmas_px: Sequence[float], radius_px: int | None, device: torch.device) -> Tensor:
    """(N, 2r + 1) float32 Gaussian taps; without a given radius each is cut at 3 sigma, 0 means no blur."""
    radii = [math.ceil(3 * sigma) if radius_px is None else radius_px for sigma in sigmas_px]
    widest = max(radii)
    taps = torch.zeros(len(radii), 2 * widest + 1)
    for row, (radius, sigma) in enumerate(zip(radii, sigmas_px, strict=True)):
        values = gaussian_taps(radius, sigma) if radius else [1.0]
        taps[row, widest - radius : widest + radius + 1] = torch.as_tensor(values, dtype=torch.float32)
    return taps.to(device)


def _blur(images: Tensor, taps: Tensor) -> Tensor:
    """Blur (N, 3, H, W) float images, rows then columns, each by its own taps, mirrored at the border."""
    n, channels, height, width = images.shape
    radius = taps.shape[1] // 2
    if radius == 0:
        return images
    kernels = taps.repeat_interleave(channels, 0)
    planes = images.reshape(1, n * channels, height, width)
    planes = F.pad(planes, (radius,) * 4, mode="reflect")
    planes = F.conv2d(planes, kernels[:, None, :, None], groups=n * channels)
    planes = F.conv2d(planes, kernels[:, None, None, :], groups=n * channels)
    return planes.view(n, channels, height, width)


def _to_uint8(levels: Tensor) -> Tensor:
    return levels.round().clamp(0, 255).to(torch.uint8)
