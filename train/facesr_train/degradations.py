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
from facesr_train.jpeg import jpeg_round_trip
from facesr_train.resize import halve

NAMES = ("paper", "paper-alt", "bicubic", "real")

CONTEXT_PX = 16
"""High-resolution pixels around a crop that may reach into its low-resolution picture: the blur's radius
(5 at most) plus the longest resize filter's (6), rounded up to keep JPEG blocks whole."""


def degrade(hr: Tensor, kinds: Sequence[str], rng: random.Random, noise: torch.Generator) -> Tensor:
    """Halve each image by the degradation that is named for it.

    Args:
        hr: (N, 3, H, W) uint8 RGB; H and W multiples of 32 where `real` is named, else even.
        kinds: N names from `NAMES`.
        rng: Source of `real`'s parameters.
        noise: Source of `real`'s noise, on the device of `hr`.

    Returns:
        (N, 3, H / 2, W / 2) uint8 RGB.
    """
    lr = hr.new_empty(hr.shape[0], 3, hr.shape[2] // 2, hr.shape[3] // 2)
    for kind in NAMES:
        chosen = [index for index, name in enumerate(kinds) if name == kind]
        if not chosen:
            continue
        images = hr[chosen]
        if kind == "paper":
            lr[chosen] = paper(images)
        elif kind == "paper-alt":
            lr[chosen] = paper_alt(images)
        elif kind == "bicubic":
            lr[chosen] = bicubic(images)
        else:
            parameters = [draw_real_parameters(rng) for _ in chosen]
            shape = (len(chosen), *lr.shape[1:])
            lr[chosen] = real(images, parameters, torch.randn(shape, generator=noise, device=hr.device))
    return lr


def paper(hr: Tensor) -> Tensor:
    """Gaussian 7x7 of sigma 5, antialiased bilinear halving: (N, 3, H, W) uint8 -> (N, 3, H/2, W/2) uint8."""
    blurred = _blur(hr.float(), _taps([PAPER_BLUR_SIGMA_PX] * len(hr), PAPER_BLUR_RADIUS_PX, hr.device))
    return _to_uint8(halve(blurred, ["bilinear"] * len(hr)))


def paper_alt(hr: Tensor) -> Tensor:
    """Antialiased bilinear halving, then `paper`'s blur at half size. Shapes as `paper`."""
    halved = halve(hr.float(), ["bilinear"] * len(hr))
    return _to_uint8(_blur(halved, _taps([PAPER_BLUR_SIGMA_PX] * len(hr), PAPER_BLUR_RADIUS_PX, hr.device)))


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
