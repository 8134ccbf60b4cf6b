"""What a run would do, found out without decoding, inference or writing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from facesr_cli import __version__
from facesr_cli.batch.discover import Ignored
from facesr_cli.batch.inference import ModelFacts
from facesr_cli.batch.report import Size
from facesr_cli.batch.run import make_plan
from facesr_cli.batch.settings import Settings
from facesr_cli.batch.wording import counted, printable
from facesr_cli.errors import PhotoError
from facesr_cli.photo import header_size

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
                yield f"fail [{step.reason}] {step.message or printable(step.source)}"
        yield (
            f"{counted(self.count('upscale'), 'photograph')} to upscale, {self.megapixels:.1f} megapixels; "
            f"{self.count('skip')} to skip; {self.count('fail')} would fail; no collisions"
        )


def dry_run(settings: Settings, model: ModelFacts) -> DryRun:
    """Plan a run and read the header of every photograph that it would decode.

    Raises:
        UsageError, OutputCollisionError, CapabilityError: As the run itself, before anything is written.
    """
    plan = make_plan(settings, model)
    steps = [
        Step(source=result.source, action="fail", reason=result.reason, message=result.message)
        for result in plan.blocked
    ]
    for job in plan.jobs:
        settled = plan.settled.get(job)
        if settled is not None:
            action: Action = "skip" if settled.status == "skipped" else "fail"
            steps.append(
                Step(
                    source=job.source,
                    action=action,
                    output=settled.output,
                    reason=settled.reason,
                    message=settled.message,
                )
            )
            continue
        try:
            size = header_size(job.source)
        except PhotoError as error:
            steps.append(Step(source=job.source, action="fail", reason=error.reason, message=str(error)))
        else:
            steps.append(Step(source=job.source, action="upscale", output=job.destination, input_size=size))
    return DryRun(scale=model.scale, steps=tuple(steps), ignored=plan.ignored)
