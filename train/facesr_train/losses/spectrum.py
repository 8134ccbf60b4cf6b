"""How much fine detail a crop has, whatever its places: the energy that `bench` measures, as a loss.

A game alone takes long to give each degradation the texture of its originals: what `paper` blurred comes
out with too much, what is noisy with too little. Durall, Keuper and Keuper 2020, "Watch your Up-Convolution"
(https://arxiv.org/abs/2003.01826), compare spectra by radius to the same end. We differ: they take profiles
of whole pictures by cross-entropy, we amplitudes of a few bands of crops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facesr_train.losses.luma import luma

HIGHEST_CYCLES_PER_PX = math.sqrt(0.5)
"""In the corners of the spectrum."""
_SMALLEST_POWER = 1e-8
"""A tenth of a level of white noise; below it the square root has no useful slope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumConfig:
    """Which frequencies count."""

    limits_cycles_per_px: Sequence[float] = (0.25, 0.35, 0.5, 0.71)
    """Where bands begin and end, by the radius of the frequency; 0.71 takes in the corners."""

    def __post_init__(self) -> None:
        if not isinstance(self.limits_cycles_per_px, list | tuple):
            raise ValueError("loss spectrum: limits_cycles_per_px must be a list of numbers")
        limits = list(self.limits_cycles_per_px)
        if limits and max(limits[:-1], default=0) >= HIGHEST_CYCLES_PER_PX:
            raise ValueError("loss spectrum: no picture has frequencies above 0.707 cycles per pixel")
        if len(limits) < 2 or limits != sorted(set(limits)) or limits[0] < 0:
            raise ValueError("loss spectrum: limits_cycles_per_px must rise, from 0 or more")


class SpectrumLoss(nn.Module):
    """Mean absolute difference of the bands' amplitudes, crop by crop.

    (N, 3, H, W) float32 RGB twice -> scalar, in units of pixels. The amplitude of a band is the root of its
    mean power: BT.601 luma less its mean, times a periodic Hann window, discrete Fourier transform scaled to
    keep energy. So phases are free, and a shift of colour costs nothing. An output without any detail has no
    slope: other losses must give it some first.
    """

    def __init__(self, config: SpectrumConfig) -> None:
        super().__init__()
        self._limits = tuple(config.limits_cycles_per_px)
        self._made: dict[tuple[int, int, torch.device], Tensor] = {}

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the difference.

        Raises:
            ValueError: A crop is too small to have a frequency in one of the bands.
        """
        bands = self._bands(output)
        ours, theirs = (self._amplitudes(picture, bands) for picture in (output, target))
        return (ours - theirs).abs().mean()

    def _bands(self, picture: Tensor) -> Tensor:
        """(bands, H * W) float32 that averages the power of each band; made once for each size."""
        key = *picture.shape[2:], picture.device
        if key not in self._made:
            height_px, width_px, device = key
            radius = torch.hypot(torch.fft.fftfreq(height_px)[:, None], torch.fft.fftfreq(width_px)).flatten()
            pairs = zip(self._limits[:-1], self._limits[1:], strict=True)
            inside = torch.stack([(radius > low) & (radius <= high) for low, high in pairs]).float()
            counts = inside.sum(1, keepdim=True)
            if not bool((counts > 0).all()):
                raise ValueError(
                    f"loss spectrum: no frequency of {width_px}x{height_px} px lies in one of the bands; "
                    "take larger crops or wider bands"
                )
            self._made[key] = (inside / counts).to(device)
        return self._made[key]

    @staticmethod
    def _amplitudes(picture: Tensor, bands: Tensor) -> Tensor:
        """(N, bands) float32."""
        levels = luma(picture.float())[:, 0]  # (N, H, W)
        levels = levels - levels.mean((1, 2), keepdim=True)
        down, right = (torch.hann_window(size, device=levels.device) for size in levels.shape[1:])
        power = torch.fft.fft2(levels * down[:, None] * right, norm="ortho").abs().square()
        means = (power.flatten(1)[:, None] * bands).sum(2)  # no matrix product: autocast would round it
        return torch.sqrt(means + _SMALLEST_POWER)
