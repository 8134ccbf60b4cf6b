"""The rows of the table: the three baselines, and each model with a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facesr_cli.bench.baselines import BASELINES, enlarge
from facesr_cli.bench.result import ModelUsed
from facesr_cli.errors import UsageError
from facesr_cli.photo.photograph import Samples

if TYPE_CHECKING:
    from facesr_cli.model.upscaler import Upscaler

OpenUpscaler = Callable[[str], "Upscaler"]
"""From a model's name or path to the upscaler that `facesr-cli upscale` would use."""

DEGRADATION_SCALE = 2
"""Factor per side of all our degradations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One row of each table."""

    name: str
    enlarge: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    """From (h, w, 3) uint8 RGB to (s h, s w, 3) uint8 RGB."""
    enlarge_batch: Callable[[Sequence[Samples]], Sequence[Samples]]
    """The same for several photographs of equal size; used for throughput only."""
    batch_size: int
    used: ModelUsed | None
    """None for baselines."""
    upscaler: Upscaler | None = None
    """None for baselines."""
    requested: str = ""
    """Name or path of the model; empty for baselines."""


def baseline_contestants(scale: int) -> list[Contestant]:
    """Return bilinear, bicubic and lanczos."""
    return [_baseline(name, scale) for name in BASELINES]


def model_contestants(upscalers: Sequence[tuple[str, Upscaler]]) -> list[Contestant]:
    """Return one contestant per (requested name or path, upscaler), named as the model names itself.

    Where two models, or a model and a baseline, have one name, the models are named as they were requested.
    """
    own_names = [*BASELINES, *(upscaler.info.name for _, upscaler in upscalers)]
    return [
        _model(
            upscaler.info.name if own_names.count(upscaler.info.name) == 1 else requested, requested, upscaler
        )
        for requested, upscaler in upscalers
    ]


def common_scale(upscalers: Sequence[tuple[str, Upscaler]], *, pairs_given: bool) -> int:
    """Return the factor per side that all models share.

    Raises:
        UsageError: The models differ, or they do not double although our degradations halve.
    """
    scales = {upscaler.scale for _, upscaler in upscalers} or {DEGRADATION_SCALE}
    if len(scales) > 1:
        listed = ", ".join(f"{requested} x{upscaler.scale}" for requested, upscaler in upscalers)
        raise UsageError(f"models of different scale cannot share a table: {listed}")
    scale = scales.pop()
    if scale != DEGRADATION_SCALE and not pairs_given:
        raise UsageError(
            f"the degradations halve a photograph, but {upscalers[0][0]} enlarges {scale} times: "
            f"give pairs of photographs with --lr and --hr"
        )
    return scale


def _baseline(name: str, scale: int) -> Contestant:
    one = partial(enlarge, baseline=name, scale=scale)

    def several(photographs: Sequence[Samples]) -> list[NDArray[np.uint8]]:
        return [one(pixels.astype(np.uint8, copy=False)) for pixels in photographs]

    return Contestant(name=name, enlarge=one, enlarge_batch=several, batch_size=1, used=None)


def _model(name: str, requested: str, upscaler: Upscaler) -> Contestant:
    def one(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(upscaler.upscale(low), dtype=np.uint8)

    return Contestant(
        name=name,
        enlarge=one,
        enlarge_batch=upscaler.upscale_batch,
        batch_size=upscaler.batch_size,
        upscaler=upscaler,
        requested=requested,
        used=ModelUsed(
            model=name,
            version=upscaler.info.version,
            digest=upscaler.info.digest,
            scale=upscaler.scale,
            provider_requested=upscaler.provider.requested,
            provider_actual=upscaler.provider.actual,
            device=upscaler.provider.device,
            precision=upscaler.provider.precision,
            batch_size=upscaler.batch_size,
        ),
    )
