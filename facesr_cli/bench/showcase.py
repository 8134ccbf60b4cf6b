"""Which photographs are shown: the best, the median and the worst of each model and degradation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from facesr_cli.bench.baselines import REFERENCE_BASELINE
from facesr_cli.bench.contestants import Contestant
from facesr_cli.bench.crops import side_by_side
from facesr_cli.bench.ground_truth import Preparation, low_resolution, read_ground_truth
from facesr_cli.bench.pairs import Sample
from facesr_cli.bench.result import ImageScore, Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A photograph that was picked, and why."""

    score: ImageScore
    rank: str
    """`best`, `median` or `worst` by gain over bicubic: PSNR alone would rank the photographs."""
    of: int
    """Photographs it was picked from."""


def pick(scores: Sequence[ImageScore], *, model: str, degradation: str) -> list[Shown]:
    """Pick worst, median and best of one model and degradation; fewer where there are fewer photographs."""
    ranked = sorted(
        (score for score in scores if score.model == model and score.degradation == degradation),
        key=lambda score: score.psnr_gain_db,
    )
    # Of equal indices the first name stays, so a single photograph is the worst.
    places: dict[int, str] = {}
    for place, rank in ((0, "worst"), (len(ranked) - 1, "best"), (len(ranked) // 2, "median")):
        places.setdefault(place, rank)
    return [Shown(score=ranked[place], rank=rank, of=len(ranked)) for place, rank in places.items() if ranked]


def draw(
    shown: Shown,
    sample: Sample,
    *,
    preparation: Preparation,
    scale: int,
    model: Contestant,
    bicubic: Contestant,
) -> Picture:
    """Make the photograph again, enlarge it again and put the crops beside each other.

    Raises:
        PhotoError: The photograph cannot be read any more, or the model failed.
    """
    assert bicubic.name == REFERENCE_BASELINE
    score = shown.score
    truth = read_ground_truth(sample, preparation)
    low = low_resolution(sample, truth, score.degradation, scale=scale)
    title = (
        f"{score.file}: {shown.rank} of {shown.of} by gain over bicubic "
        f"({score.psnr_gain_db:+.2f} dB), degradation {score.degradation}"
    )
    png = side_by_side(
        low=low,
        bicubic=bicubic.enlarge(low),
        ours=model.enlarge(low),
        original=truth,
        model=score.model,
        title=title,
    )
    return Picture(name=_file_name(score.model, score.degradation, shown.rank), caption=title, png=png)


def _file_name(*parts: str) -> str:
    return "--".join(re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-.") for part in parts) + ".png"
