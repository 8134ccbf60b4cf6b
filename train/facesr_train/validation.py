"""PSNR of the averaged weights on held-out photographs, beside bicubic, and the pictures to look at."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_cli.bench.metrics import psnr_db
from facesr_cli.bench.spectrum import high_frequency_energy
from facesr_train.degradations import defined_degradations, degrade, draw_noise, draw_real_parameters
from facesr_train.hardware import memory_layout

GRID_CROP_PX = 192
GRID_ROWS = 4


@dataclass(frozen=True, slots=True)
class Pair:
    """One validation picture: uint8 RGB (H/2, W/2, 3) and (H, W, 3), and bicubic's PSNR on it."""

    kind: str
    lr: NDArray[np.uint8]
    hr: NDArray[np.uint8]
    bicubic: NDArray[np.uint8]
    bicubic_psnr_db: float


@dataclass(frozen=True, slots=True)
class Validation:
    """Means by degradation, and one grid: low resolution, bicubic, network, original per row."""

    psnr_db: dict[str, float]
    bicubic_psnr_db: dict[str, float]
    energy: dict[str, float]
    """Energy above 0.25 cycles/px, relative to the original's; 1: as much fine detail. Flat originals: 0."""
    grid: NDArray[np.uint8]

    @property
    def mean_psnr_db(self) -> float:
        """Mean over the degradations: what `best.ckpt` is chosen by."""
        return sum(self.psnr_db.values()) / len(self.psnr_db)


def make_pairs(photographs: Sequence[Tensor], shares: Mapping[str, float], crop_px: int) -> list[Pair]:
    """Centre crops of (3, H, W) uint8 photographs in every degradation, the same ones at each call."""
    pairs = []
    rng, noise = random.Random(0), torch.Generator().manual_seed(0)
    for kind in shares:
        for photograph in photographs:
            side = min(crop_px, min(photograph.shape[1:]) // 32 * 32)
            top, left = ((length - side) // 2 for length in photograph.shape[1:])
            hr = photograph[None, :, top : top + side, left : left + side].cpu()
            defined = defined_degradations([kind], [draw_real_parameters(rng)] if kind == "real" else [])
            lr = _to_array(degrade(hr, defined, draw_noise(hr, defined, noise)))
            original = _to_array(hr)
            larger = Image.fromarray(lr).resize((side, side), Image.Resampling.BICUBIC)
            bicubic = np.array(larger)
            pairs.append(Pair(kind, lr, original, bicubic, psnr_db(bicubic, original)))
    return pairs


@torch.no_grad()
def validate(network: nn.Module, pairs: Sequence[Pair], device: torch.device) -> Validation:
    """Run `network` on every pair in float32 and compare in 8 bit."""
    ours: dict[str, list[float]] = {}
    baseline: dict[str, list[float]] = {}
    energy: dict[str, list[float]] = {}
    rows: list[NDArray[np.uint8]] = []
    stride = max(1, len(pairs) // GRID_ROWS)
    for index, pair in enumerate(pairs):
        image = torch.from_numpy(pair.lr).permute(2, 0, 1)[None].to(device).float().div(255)
        output = network(image.contiguous(memory_format=memory_layout(device)))
        result = _to_array(output.mul(255).round().clamp(0, 255).to(torch.uint8))
        ours.setdefault(pair.kind, []).append(psnr_db(result, pair.hr))
        baseline.setdefault(pair.kind, []).append(pair.bicubic_psnr_db)
        energy.setdefault(pair.kind, []).append(high_frequency_energy(result, pair.hr) or 0.0)
        if index % stride == 0 and len(rows) < GRID_ROWS:
            rows.append(_row(pair, result))
    return Validation(_means(ours), _means(baseline), _means(energy), np.concatenate(rows, 0))


def _row(pair: Pair, result: NDArray[np.uint8]) -> NDArray[np.uint8]:
    nearest = torch.from_numpy(pair.lr).permute(2, 0, 1)[None]
    enlarged = _to_array(F.interpolate(nearest, scale_factor=2, mode="nearest"))
    side = min(GRID_CROP_PX, pair.hr.shape[0])
    start = (pair.hr.shape[0] - side) // 2
    window = slice(start, start + side)
    row = np.zeros((GRID_CROP_PX, 4 * GRID_CROP_PX, 3), np.uint8)
    for column, picture in enumerate((enlarged, pair.bicubic, result, pair.hr)):
        row[:side, column * GRID_CROP_PX : column * GRID_CROP_PX + side] = picture[window, window]
    return row


def _to_array(image: Tensor) -> NDArray[np.uint8]:
    """(1, 3, H, W) uint8 tensor -> (H, W, 3) uint8 array."""
    return image[0].permute(1, 2, 0).contiguous().cpu().numpy()


def _means(values: Mapping[str, list[float]]) -> dict[str, float]:
    return {kind: sum(numbers) / len(numbers) for kind, numbers in values.items()}
