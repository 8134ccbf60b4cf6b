"""`run_batch`: a whole run, from settings to report."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from facesr_cli import __version__
from facesr_cli.batch.agenda import Plan, make_plan
from facesr_cli.batch.atomic import is_writable, write_atomically
from facesr_cli.batch.claims import claim
from facesr_cli.batch.fleet import members_of
from facesr_cli.batch.inference import PhotoUpscaler
from facesr_cli.batch.interrupt import Interrupt, PlanInterruptedError
from facesr_cli.batch.pipeline import Limits, Pipeline
from facesr_cli.batch.plan import Job, check_inputs
from facesr_cli.batch.progress import Progress, Silent
from facesr_cli.batch.report import Facts, FileResult, Report
from facesr_cli.batch.settings import Settings
from facesr_cli.batch.stages import Writer
from facesr_cli.batch.wording import counted, printable
from facesr_cli.errors import TilingWarning, WriteFailedError
from facesr_cli.model.hardware import usable_cpus
from facesr_cli.photo.limits import pixel_limit

UpscalerFactory: TypeAlias = Callable[[Settings], PhotoUpscaler]

_MOST_WORKERS = 8


def run_batch(
    settings: Settings, *, upscaler_factory: UpscalerFactory, progress: Progress | None = None
) -> Report:
    """Upscale everything that `settings` names.

    One photograph that fails never ends the run, and sources are never changed. Ctrl-C and SIGTERM end it in
    order: the report says what was done, and the same settings continue it.

    Where an output directory is lost, its disk is full, or the network stops working in the middle, the run
    ends in the same order, and `Report.error` or the failures say so.

    Args:
        settings: What to do.
        upscaler_factory: Opens the network; called once, before anything is written.
        progress: Told about each photograph; None for silence.

    Returns:
        The report, already written to `settings.report` if that is set.

    Raises:
        UsageError, OutputCollisionError, CapabilityError: As `make_plan` and the factory, and where another
            run writes to the same directory; no output has been written.
    """
    check_inputs(settings)
    shown = Silent() if progress is None else progress
    begun_s = time.perf_counter()
    upscaler = upscaler_factory(settings)
    facts = _facts(upscaler)
    interrupt = Interrupt()

    def plan_it() -> Plan:
        return make_plan(settings, upscaler.info, lambda: interrupt.signum is not None)

    try:
        with interrupt, claim(plan_it) as claimed:
            plan = claimed.plan
            shown.begin(_headline(facts, plan, claimed.unlocked), len(plan.todo))
            course = _Course(plan, settings, interrupt, shown)
            try:
                results, pipeline = _run(plan, settings, upscaler, course)
            finally:
                shown.end()
        report = Report(
            facts=facts,
            files=(*plan.blocked, *_in_order(plan, results, course.ended_by or "provider-lost")),
            elapsed_s=time.perf_counter() - begun_s,
            stages=pipeline.stages,
            ignored=plan.ignored,
            signal=interrupt.signum,
            error=pipeline.error,
        )
    except PlanInterruptedError:
        elapsed_s = time.perf_counter() - begun_s
        report = Report(facts=facts, files=(), elapsed_s=elapsed_s, signal=interrupt.signum)
    finally:
        upscaler.close()
    return report if settings.report is None else _write_report(report, settings.report)


class _Course:
    """Follows the results of a run and decides when it ends before its last photograph."""

    def __init__(self, plan: Plan, settings: Settings, interrupt: Interrupt, progress: Progress) -> None:
        self._interrupt = interrupt
        self._progress = progress
        self._fail_fast = settings.fail_fast
        self.ended_by: str | None = None
        """A reason of docs/upscale.md for the photographs that were not started."""
        known = (*plan.blocked, *plan.settled.values())
        if self._fail_fast and any(result.status == "failed" for result in known):
            self.ended_by = "fail-fast"

    def stopped(self) -> bool:
        """Return whether nothing new is to begin."""
        if self._interrupt.signum is not None:
            self.ended_by = "interrupted"
        return self.ended_by is not None

    def finished(self, job: Job, result: FileResult) -> None:
        """Take one result; called in the thread of the pipeline."""
        self._progress.advance(result)
        if result.status != "failed" or self.ended_by is not None:
            return
        if self._fail_fast:
            self.ended_by = "fail-fast"
        elif result.reason in ("disk-full", "output-lost"):
            # The next ones would cost inference and fail as well.
            self.ended_by = result.reason
        elif result.reason in ("write-no-permission", "write-failed") and not is_writable(job.out_root):
            self.ended_by = "output-lost"


def _run(
    plan: Plan, settings: Settings, upscaler: PhotoUpscaler, course: _Course
) -> tuple[dict[Job, FileResult], Pipeline]:
    writer = Writer(
        recipe=plan.recipe,
        journals=plan.journals,
        absent=plan.absent,
        careful=settings.existing == "resume" and not settings.verify,
        quality=settings.quality,
        metadata=settings.metadata,
        software=f"facesr-cli {__version__}, model {upscaler.info.name} {upscaler.info.version}",
    )
    limits = Limits(
        workers=workers_of(settings),
        batch_size=max(1, upscaler.batch_size),
        networks=len(members_of(upscaler)),
    )
    pipeline = Pipeline(upscaler, writer, limits, stopped=course.stopped, finished=course.finished)
    with warnings.catch_warnings(), pixel_limit(settings.max_megapixels):
        # Pillow warns about what `decode` either survives or reports by name; between the lines of a
        # progress display those warnings would only confuse.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        # The photographs that it concerns have a note.
        warnings.simplefilter("ignore", TilingWarning)
        return pipeline.run(plan.todo), pipeline


def _write_report(report: Report, path: Path) -> Report:
    """Write the report; where that fails, the answer says so, and what was done is still told.

    A directory that has gone away during the run is not made again.
    """
    try:
        write_atomically(path, report.to_json_text().encode())
    except WriteFailedError as error:
        return report if report.error is not None else replace(report, error=error)
    return report


def _in_order(plan: Plan, results: dict[Job, FileResult], why: str) -> Sequence[FileResult]:
    """Return one result per job, in the order of the plan, whatever order the threads had."""
    known = plan.settled | results
    return [
        known.get(job) or FileResult(source=job.source, status="not-started", reason=why) for job in plan.jobs
    ]


def _facts(upscaler: PhotoUpscaler) -> Facts:
    return Facts(
        model_name=upscaler.info.name,
        model_version=upscaler.info.version,
        model_digest=upscaler.info.digest,
        scale=upscaler.scale,
        provider_requested=upscaler.provider.requested,
        provider_actual=upscaler.provider.actual,
        precision=upscaler.provider.precision,
    )


def _headline(facts: Facts, plan: Plan, unlocked: Sequence[Path]) -> str:
    line = f"{facts.headline()}: {counted(len(plan.todo), 'photograph')}"
    skipped = sum(result.status == "skipped" for result in plan.settled.values())
    if skipped:
        line += f", {skipped} already there"
    for root in unlocked:
        line += f"\nnote: {printable(root)} is on a file system without locks; start no second run on it"
    return line


def workers_of(settings: Settings) -> int:
    """Return how many threads decode, and as many encode."""
    if settings.workers is not None:
        return settings.workers
    return max(1, min(_MOST_WORKERS, usable_cpus() // 2))
