"""Train the ranker of RankSRGAN on degraded photographs that NIQE has put in order.

    python -m facesr_train.ranker PHOTOGRAPHS -o ranker.npz

The first two of the paper's three stages (see `losses/rank.py`). We differ from it in the data: its pictures
come from three trained networks. Ours are made without any (enlarged, sharpened, original, noisy), so that
the ranker can be trained first, and `--network` adds what networks make. Every crop has the NIQE of its whole
photograph, because that of one crop with nine blocks for 36 features is mostly noise. No rotations, since
faces are upright.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import REPEATABLE, crop_to_even, gaussian_blur, round_to_8_bit
from facesr_cli.bench.niqe import niqe
from facesr_cli.errors import FacesrError, ModelError, TrainingError
from facesr_cli.model.upscaler import Upscaler
from facesr_train.losses.rank import Ranker, margin_ranking, save_ranker
from facesr_train.photographs import find_photographs, read_photograph

Enlarge: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""From (h, w, 3) uint8 RGB to (2h, 2w, 3) uint8 RGB."""

LEVELS = ("bicubic", "unsharp", "original", "noise")
"""Reduced to half and enlarged; that with twice its detail; the photograph; the photograph with noise."""
UNSHARP_SIGMA_PX = 2.0
NOISE_SIGMA = 12.75
"""In 8-bit levels: 0.05 of the range."""
TIE = 0.05
"""Two pictures whose NIQE differs by less are no pair."""
MAX_SIDE_PX = 1024
SCORE_LIMIT = 5.0
"""Scores are clamped to plus and minus this while the ranker learns, as in the authors' code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankerSettings:
    """Size and schedule; the defaults but `steps` are those of the authors' code."""

    channels: int = 64
    crop_px: int = 128
    batch_size: int = 16
    """Pairs per step."""
    steps: int = 20_000
    """Of 400,000 in the code; the rate is halved after a quarter and after half of them, as there."""
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RankedPhotograph:
    """One photograph at all levels."""

    pictures: NDArray[np.uint8]
    """(levels, 3, H, W) RGB."""
    niqe: tuple[float, ...]
    """Of each level; lower is better."""

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Ordered pairs of levels that are no tie, each pair both ways."""
        levels = range(len(self.niqe))
        return [(a, b) for a in levels for b in levels if abs(self.niqe[a] - self.niqe[b]) >= TIE]


def ranked(
    original: NDArray[np.uint8], *, seed: int, degradation: str = "bicubic", networks: Sequence[Enlarge] = ()
) -> RankedPhotograph | None:
    """Make the levels of a (H, W, 3) uint8 RGB photograph and measure them.

    Args:
        original: The photograph; an odd last row or column is left out.
        seed: Of the noise.
        degradation: How it is reduced.
        networks: Each adds a level: what it makes of the reduced photograph.

    Returns:
        None where NIQE is not defined: a side below 192 px, or no structure.
    """
    original = crop_to_even(original)
    reduced = REPEATABLE[degradation](original)
    enlarged = enlarge(reduced, "bicubic", scale=2)
    soft = enlarged.astype(np.float32)
    radius_px = round(3 * UNSHARP_SIGMA_PX)
    unsharp = 2 * soft - gaussian_blur(soft, radius_px=radius_px, sigma_px=UNSHARP_SIGMA_PX)
    noise = np.random.default_rng(seed).standard_normal(original.shape, dtype=np.float32)
    noisy = original.astype(np.float32) + np.float32(NOISE_SIGMA) * noise
    pictures = [enlarged, round_to_8_bit(unsharp), original, round_to_8_bit(noisy)]
    pictures += [network(reduced) for network in networks]
    measured = [niqe(picture) for picture in pictures]
    values = tuple(value for value in measured if value is not None)
    if len(values) < len(pictures):
        return None
    return RankedPhotograph(np.stack(pictures).transpose(0, 3, 1, 2).copy(), values)


def draw_pairs(
    photographs: Sequence[RankedPhotograph], count: int, crop_px: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw crops of two levels of one photograph at one place, mirrored half of the time.

    Returns:
        Two (count, 3, crop, crop) float32 RGB [0, 1], and (count,) float32 of 1, where the NIQE of the first
        is the higher one, and -1.

    Raises:
        TrainingError: No photograph has two levels that differ, or one is smaller than a crop.
    """
    pairs = [(index, *pair) for index, photograph in enumerate(photographs) for pair in photograph.pairs]
    if not pairs:
        raise TrainingError("no two pictures to rank: NIQE finds the levels of every photograph equal")
    if min(side for photograph in photographs for side in photograph.pictures.shape[2:]) < crop_px:
        raise TrainingError(f"a photograph is smaller than a crop of {crop_px} px: leave it out")
    first, second, order = [], [], []
    for choice in rng.integers(len(pairs), size=count):
        index, a, b = pairs[choice]
        pictures, values = photographs[index].pictures, photographs[index].niqe
        top, left = (int(rng.integers(side - crop_px + 1)) for side in pictures.shape[2:])
        crop = pictures[:, :, top : top + crop_px, left : left + crop_px]
        if rng.random() < 0.5:
            crop = crop[:, :, :, ::-1]
        first.append(crop[a])
        second.append(crop[b])
        order.append(1.0 if values[a] > values[b] else -1.0)
    return _unit(first), _unit(second), torch.tensor(order)


def train_ranker(
    photographs: Sequence[RankedPhotograph], settings: RankerSettings, device: torch.device
) -> Ranker:
    """Train on random pairs; the same photographs and settings draw the same pairs. In evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        ranker = Ranker(settings.channels)
    ranker.to(device).train()
    optimiser = torch.optim.Adam(
        ranker.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    milestones = [settings.steps // 4, settings.steps // 2]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones, gamma=0.5)
    rng = np.random.default_rng(settings.seed)
    for _ in range(settings.steps):
        first, second, order = draw_pairs(photographs, settings.batch_size, settings.crop_px, rng)
        scores = [ranker(crops.to(device)).clamp(-SCORE_LIMIT, SCORE_LIMIT) for crops in (first, second)]
        loss = margin_ranking(scores[0], scores[1], order.to(device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return ranker.eval()


def agreement(
    ranker: Ranker, photographs: Sequence[RankedPhotograph], count: int, crop_px: int, seed: int
) -> float:
    """Share of `count` drawn pairs that the ranker puts in the order of their NIQE."""
    first, second, order = draw_pairs(photographs, count, crop_px, np.random.default_rng(seed))
    device = next(ranker.parameters()).device
    with torch.no_grad():
        scores = [
            torch.cat([ranker(few.to(device)) for few in torch.split(crops, 16)]) for crops in (first, second)
        ]
    right = (scores[0] - scores[1]).cpu() * order > 0
    return float(right.float().mean())


def main() -> int:
    """Rank the photographs, train, say how well held-out pairs are ordered, and write the file."""
    defaults = RankerSettings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="PHOTOGRAPHS")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument("--channels", type=int, default=defaults.channels)
    parser.add_argument("--photographs", type=int, default=100, help="to train on, at most: 12 MB each")
    parser.add_argument(
        "--network",
        action="append",
        dest="networks",
        default=[],
        metavar="NAME|FILE",
        help="adds a level, as in the paper: what this network makes of the reduced photograph; repeatable",
    )
    parser.add_argument("--device", default="cpu", help="of torch: cpu, cuda")
    arguments = parser.parse_args()
    if min(arguments.steps, arguments.channels, arguments.photographs) < 1:
        parser.error("--steps, --channels and --photographs must be at least 1")
    settings = RankerSettings(steps=arguments.steps, channels=arguments.channels)
    try:
        split = find_photographs(arguments.folder)
        with contextlib.ExitStack() as stack:
            networks = [_opened(stack, name) for name in arguments.networks]
            known = _ranked_files(split.train[: arguments.photographs], networks)
            held_out = _ranked_files(split.val[: max(1, arguments.photographs // 10)], networks)
        ranker = train_ranker(known, settings, torch.device(arguments.device))
        share = agreement(ranker, held_out, 512, settings.crop_px, settings.seed)
    except FacesrError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    save_ranker(arguments.output, ranker)
    sys.stdout.write(
        f"{arguments.output}: {settings.steps} steps on {len(known)} photographs; "
        f"{share:.1%} of 512 pairs of {len(held_out)} others are in the order of their NIQE\n"
    )
    return 0


def _opened(stack: contextlib.ExitStack, name: str) -> Enlarge:
    """Open a network by name or file, for doubling.

    Raises:
        ModelError: There is no such network, or it does not double.
    """
    upscaler = stack.enter_context(Upscaler(name))
    if upscaler.scale != 2:
        raise ModelError(f"{name}: enlarges {upscaler.scale} times; a level of the ranker needs 2")
    return upscaler.upscale


def _ranked_files(paths: Sequence[Path], networks: Sequence[Enlarge]) -> list[RankedPhotograph]:
    found = []
    for index, path in enumerate(paths):
        photograph = ranked(read_photograph(path, max_side_px=MAX_SIDE_PX), seed=index, networks=networks)
        if photograph is None:
            sys.stderr.write(f"{path}: left out, too small for NIQE or without structure\n")
        else:
            found.append(photograph)
    return found


def _unit(crops: list[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.stack(crops)).float() / 255


if __name__ == "__main__":
    sys.exit(main())
