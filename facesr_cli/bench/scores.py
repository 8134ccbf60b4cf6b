"""The figures of several programs' results for one photograph under one degradation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_cli.bench.baselines import REFERENCE_BASELINE
from facesr_cli.bench.measures import measure
from facesr_cli.bench.result import ImageScore
from facesr_cli.bench.similarity import score


def score_results(
    results: Mapping[str, NDArray[np.uint8]],
    *,
    file: str,
    degradation: str,
    original: NDArray[np.uint8],
    low: NDArray[np.uint8],
    border: int,
    niqe_original: float | None,
    each: Callable[..., Iterable[Any]] = map,
) -> list[ImageScore]:
    """Return one score for each result, in their order.

    Args:
        results: Program name -> (H, W, 3) uint8 RGB; bicubic's, `REFERENCE_BASELINE`, is among them.
        file: For the scores.
        degradation: Name of what made `low`.
        original: (H, W, 3) uint8 RGB.
        low: (h, w, 3) uint8 RGB, what the programs were given.
        border: Pixels left out by PSNR-Y.
        niqe_original: NIQE of `original`, the same under all degradations.
        each: `map`, or that of a pool.
    """
    # scipy's filters under SSIM and NIQE release the interpreter lock, so threads do help.
    scored = dict(
        zip(results, each(partial(score, original=original, border=border), results.values()), strict=True)
    )
    measure_one = partial(measure, original=original, low=low, degradation=degradation)
    measured = dict(zip(results, each(measure_one, results.values()), strict=True))
    reference_db = scored[REFERENCE_BASELINE].psnr_db
    return [
        ImageScore(
            file=file,
            model=name,
            degradation=degradation,
            psnr_db=scores.psnr_db,
            # Two infinities, of two perfect results, have no difference.
            psnr_gain_db=0.0 if scores.psnr_db == reference_db else scores.psnr_db - reference_db,
            ssim=scores.ssim,
            psnr_y_db=scores.psnr_y_db,
            high_frequency_energy=measured[name].high_frequency_energy,
            niqe=measured[name].niqe,
            niqe_original=niqe_original,
            block_colour_difference=measured[name].block_colour_difference,
            low_resolution_consistency_db=measured[name].low_resolution_consistency_db,
        )
        for name, scores in scored.items()
    ]
