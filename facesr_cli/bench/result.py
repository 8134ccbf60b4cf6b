"""What a benchmark found, as data, and the JSON document that `bench --json` prints."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from facesr_cli.bench.degradations import RealParameters
from facesr_cli.bench.throughput import Throughput


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScore:
    """One model on one photograph under one degradation."""

    file: str
    model: str
    degradation: str
    psnr_db: float
    psnr_gain_db: float
    """PSNR above that of bicubic on the same low-resolution photograph."""
    ssim: float
    psnr_y_db: float
    high_frequency_energy: float | None
    """Energy above 0.25 cycles/px relative to the original; None for a flat original."""
    niqe: float | None
    """None for photographs too small or too flat for it."""
    niqe_original: float | None
    """NIQE of the original, the same for all models."""
    block_colour_difference: float
    """Mean CIEDE2000 of 8x8 block averages."""
    low_resolution_consistency_db: float | None
    """PSNR of the degraded result against its input; None where the degradation cannot be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model under one degradation: means over all measured photographs."""

    model: str
    degradation: str
    images: int
    psnr_db: float
    psnr_gain_db: float
    psnr_min_db: float
    """PSNR of the worst photograph."""
    better_than_bicubic: int
    """Photographs on which the PSNR is above that of bicubic."""
    ssim: float
    psnr_y_db: float
    images_per_s: float | None
    """Decode, inference and encode one after another; None where throughput was not measured."""
    high_frequency_energy: float | None
    """This and the following: means over the photographs that have the figure; None where none has."""
    niqe: float | None
    niqe_original: float | None
    block_colour_difference: float
    low_resolution_consistency_db: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsed:
    """A model of the table: what it was and where it really ran."""

    model: str
    """Name in the table."""
    version: str
    """Empty for files that do not state one."""
    digest: str
    scale: int
    provider_requested: str
    provider_actual: str
    device: str
    precision: str
    batch_size: int

    @property
    def title(self) -> str:
        """Name and version, as far as there is one."""
        return f"{self.model} {self.version}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A photograph that is in no row, or a model whose throughput could not be measured."""

    file: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A side-by-side crop for people to look at."""

    name: str
    """File name, unique in one benchmark."""
    caption: str
    png: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """Everything one benchmark found. Every row is the mean over the same photographs."""

    version: str
    date: str
    """Start, UTC, ISO 8601."""
    elapsed_s: float
    protocol: dict[str, str]
    """How the figures were made: topic and sentence, in the order in which they are printed."""
    environment: dict[str, str]
    """Hardware and versions of what decided the figures."""
    models: tuple[ModelUsed, ...]
    rows: tuple[Row, ...]
    images: tuple[ImageScore, ...]
    failures: tuple[Failure, ...]
    selected: int
    """Photographs that were asked for."""
    measured: int
    """Photographs in every row; the others are in `failures`."""
    throughput: dict[str, Throughput]
    real_parameters: dict[str, RealParameters]
    """By file: what `real` did to it; empty where `real` was not measured."""
    pictures: tuple[Picture, ...]

    @property
    def exit_code(self) -> int:
        """0: everything was measured; 1: something failed and is listed."""
        return 1 if self.failures else 0

    def to_json(self) -> dict[str, Any]:
        """Return the document of `bench --json`; infinite PSNR, of equal pictures, becomes None."""
        document = {
            "version": self.version,
            "command": "bench",
            "date": self.date,
            "elapsed_s": self.elapsed_s,
            "protocol": self.protocol,
            "environment": self.environment,
            "models": [dataclasses.asdict(model) for model in self.models],
            "counts": {"done": self.measured, "failed": self.selected - self.measured},
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "images": [dataclasses.asdict(image) for image in self.images],
            "failures": [dataclasses.asdict(failure) for failure in self.failures],
            "throughput": {model: _speed(figures) for model, figures in self.throughput.items()},
            "real_parameters": {
                file: dataclasses.asdict(parameters) for file, parameters in self.real_parameters.items()
            },
        }
        finite: dict[str, Any] = _finite(document)
        return finite


def _speed(figures: Throughput) -> dict[str, Any]:
    """Return the fields of `figures` and what follows from them."""
    values = {**dataclasses.asdict(figures), "bottleneck": figures.bottleneck}
    if figures.end_to_end is not None:
        values["end_to_end"] |= {
            "busiest": figures.end_to_end.busiest,
            "share_of_busiest": figures.end_to_end.share_of_busiest,
        }
    if figures.arithmetic is not None:
        values["arithmetic"] |= {
            "share_of_limit": figures.arithmetic.share_of_limit,
            "bound_by": figures.arithmetic.bound_by,
        }
    return values


def mean_row(scores: list[ImageScore], *, model: str, degradation: str, images_per_s: float | None) -> Row:
    """Return the means of the scores of one model and degradation; `scores` has at least one of them."""
    of_row = [score for score in scores if score.model == model and score.degradation == degradation]
    return Row(
        model=model,
        degradation=degradation,
        images=len(of_row),
        psnr_db=_mean([score.psnr_db for score in of_row]),
        psnr_gain_db=_mean([score.psnr_gain_db for score in of_row]),
        psnr_min_db=min(score.psnr_db for score in of_row),
        better_than_bicubic=sum(score.psnr_gain_db > 0 for score in of_row),
        ssim=_mean([score.ssim for score in of_row]),
        psnr_y_db=_mean([score.psnr_y_db for score in of_row]),
        images_per_s=images_per_s,
        high_frequency_energy=_mean_of_known([score.high_frequency_energy for score in of_row]),
        niqe=_mean_of_known([score.niqe for score in of_row]),
        niqe_original=_mean_of_known([score.niqe_original for score in of_row]),
        block_colour_difference=_mean([score.block_colour_difference for score in of_row]),
        low_resolution_consistency_db=_mean_of_known(
            [score.low_resolution_consistency_db for score in of_row]
        ),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _mean_of_known(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _mean(known) if known else None


def _finite(value: Any) -> Any:
    """Replace infinities, which JSON has no word for, by None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
