"""What a run would do, found out without writing anything."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from facesr_cli import __version__
from facesr_cli.batch.agenda import make_plan
from facesr_cli.batch.discover import Ignored
from facesr_cli.batch.forecast import Forecast, forecast
from facesr_cli.batch.inference import ModelFacts
from facesr_cli.batch.plan import Job
from facesr_cli.batch.report import FileResult, Size
from facesr_cli.batch.run import UpscalerFactory, workers_of
from facesr_cli.batch.settings import Settings
from facesr_cli.batch.wording import amount, counted, duration, escaped, printable
from facesr_cli.errors import PhotoError
from facesr_cli.photo import check_side, header_size
from facesr_cli.photo.limits import pixel_limit

Action: TypeAlias = Literal["upscale", "skip", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What would become of one photograph."""

    source: Path
    action: Action
    output: Path | None = None
    reason: str | None = None
    message: str = ""
    input_size: Size | None = None
    """(width, height) as the header states them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """The plan of a run, ready to be shown."""

    scale: int
    steps: tuple[Step, ...]
    ignored: tuple[Ignored, ...]
    forecast: Forecast | None
    """None where nothing is to be upscaled, or none of the photographs tried came through."""

    @property
    def exit_code(self) -> int:
        """1 where a photograph would fail already by its header, as the run itself would return."""
        return 1 if any(step.action == "fail" for step in self.steps) else 0

    @property
    def megapixels(self) -> float:
        """Of the photographs that would be upscaled, before upscaling."""
        sizes = [step.input_size for step in self.steps if step.action == "upscale" and step.input_size]
        return sum(width * height for width, height in sizes) / 1e6

    def count(self, action: Action) -> int:
        """Return how many photographs would be treated so."""
        return sum(step.action == action for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        """Return the document of `--dry-run --json`."""
        return {
            "version": __version__,
            "command": "upscale",
            "dry_run": True,
            "megapixels": round(self.megapixels, 3),
            "counts": {action: self.count(action) for action in ("upscale", "skip", "fail")},
            "forecast": self._forecast_json(),
            "files": [
                {
                    "source": str(step.source),
                    "output": None if step.output is None else str(step.output),
                    "action": step.action,
                    "reason": step.reason,
                    "input_size": None if step.input_size is None else list(step.input_size),
                }
                for step in self.steps
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield one line per photograph and a closing one."""
        for step in self.steps:
            if step.action == "upscale" and step.input_size is not None and step.output is not None:
                width, height = step.input_size
                yield (
                    f"upscale {printable(step.source)} ({width}x{height} -> {width * self.scale}x"
                    f"{height * self.scale}) -> {printable(step.output)}"
                )
            elif step.action == "skip":
                yield f"skip [{step.reason}] {printable(step.source)}"
            else:
                yield f"fail [{step.reason}] {escaped(step.message) or printable(step.source)}"
        yield (
            f"{counted(self.count('upscale'), 'photograph')} to upscale, {self.megapixels:.1f} megapixels; "
            f"{self.count('skip')} to skip; {self.count('fail')} would fail; no collisions"
        )
        if self.forecast is not None:
            yield (
                f"about {duration(self.forecast.elapsed_s)}, measured on "
                f"{counted(self.forecast.probes, 'photograph')}; about {amount(self.forecast.disk_bytes)} on "
                f"disk, {amount(self.forecast.free_bytes)} free"
                + ("" if self.forecast.fits else ": TOO LITTLE, make room or choose another -o")
            )

    def _forecast_json(self) -> dict[str, Any] | None:
        if self.forecast is None:
            return None
        return {
            "elapsed_s": round(self.forecast.elapsed_s, 3),
            "disk_bytes": self.forecast.disk_bytes,
            "free_bytes": self.forecast.free_bytes,
            "fits": self.forecast.fits,
            "probes": self.forecast.probes,
        }


def dry_run(settings: Settings, model: ModelFacts, *, upscaler_factory: UpscalerFactory) -> DryRun:
    """Plan a run, read the header of every photograph that it would decode, and try three of them.

    Args:
        settings: Of the run.
        model: What the model file says about itself.
        upscaler_factory: Opens the network; called only where there is something to upscale.

    Raises:
        UsageError, OutputCollisionError, CapabilityError: As the run itself, before anything is written.
    """
    plan = make_plan(settings, model)
    steps = [
        Step(source=result.source, action="fail", reason=result.reason, message=result.message)
        for result in plan.blocked
    ]
    todo: list[tuple[Job, int]] = []
    with pixel_limit(settings.max_megapixels), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # as in `run_batch`
        for job in plan.jobs:
            step = _settled(job, plan.settled[job]) if job in plan.settled else _step(job, model.scale)
            if step.input_size is not None:
                todo.append((job, step.input_size[0] * step.input_size[1]))
            steps.append(step)
        found: Forecast | None = None
        failures: list[FileResult] = []
        if todo:
            upscaler = upscaler_factory(settings)
            try:
                found, failures = forecast(todo, upscaler, settings, workers=workers_of(settings))
            finally:
                upscaler.close()
    unfit = {result.source: result for result in failures}
    return DryRun(
        scale=model.scale,
        steps=tuple(_revised(step, unfit.get(step.source)) for step in steps),
        ignored=plan.ignored,
        forecast=found,
    )


def _settled(job: Job, result: FileResult) -> Step:
    return Step(
        source=job.source,
        action="skip" if result.status == "skipped" else "fail",
        output=result.output,
        reason=result.reason,
        message=result.message,
    )


def _step(job: Job, scale: int) -> Step:
    try:
        size = header_size(job.source)
        check_side((size[0] * scale, size[1] * scale), job.file_format)
    except PhotoError as error:
        return Step(source=job.source, action="fail", reason=error.reason, message=str(error))
    return Step(source=job.source, action="upscale", output=job.destination, input_size=size)


def _revised(step: Step, failure: FileResult | None) -> Step:
    """Return `step`, or what a probe has found out about it behind its header."""
    if failure is None:
        return step
    return replace(step, action="fail", output=None, reason=failure.reason, message=failure.message)
