"""`run_batch`: a whole run, from settings to report."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from facesr_cli.batch.atomic import write_atomically
from facesr_cli.batch.discover import Blocked, Filter, Ignored, Source, discover
from facesr_cli.batch.existing import Recipe, refuse_existing, settle
from facesr_cli.batch.inference import ModelFacts, PhotoUpscaler
from facesr_cli.batch.interrupt import Interrupt
from facesr_cli.batch.journal import Journal
from facesr_cli.batch.own_outputs import drop_own_outputs
from facesr_cli.batch.pipeline import Limits, Pipeline
from facesr_cli.batch.plan import Job, check_inputs, make_jobs, places
from facesr_cli.batch.progress import Progress, Silent
from facesr_cli.batch.report import Facts, FileResult, Report
from facesr_cli.batch.settings import Settings
from facesr_cli.batch.stages import Writer
from facesr_cli.batch.wording import counted

UpscalerFactory: TypeAlias = Callable[[Settings], PhotoUpscaler]

_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do; made without writing anything."""

    jobs: tuple[Job, ...]
    """Every photograph, in the order in which they were found."""
    settled: dict[Job, FileResult]
    """Those that are not to be run: skipped, or refused because the output is someone else's."""
    blocked: tuple[FileResult, ...]
    """Directories that could not be listed."""
    ignored: tuple[Ignored, ...]
    journals: dict[Path, Journal]
    recipe: Recipe

    @property
    def todo(self) -> tuple[Job, ...]:
        """The photographs to run."""
        return tuple(job for job in self.jobs if job not in self.settled)


def make_plan(settings: Settings, model: ModelFacts) -> Plan:
    """Find the photographs and decide about each of them.

    Raises:
        UsageError: An INPUT does not exist, -o makes no sense, or --existing error found an output.
        OutputCollisionError: Two outputs, or an output and an input, are the same file.
        CapabilityError: A journal was written by a newer version.
    """
    check_inputs(settings)
    where = places(settings, model.scale)
    outputs = frozenset(
        Path(os.path.realpath(place.root)) for path, place in where.items() if os.path.isdir(path)
    )
    if settings.out is not None and all(place.file is None for place in where.values()):
        outputs |= {Path(os.path.realpath(settings.out))}
    sources: list[Source] = []
    ignored: list[Ignored] = []
    blocked: list[FileResult] = []
    for found in discover(
        settings.inputs, Filter(include=settings.include, exclude=settings.exclude), outputs
    ):
        if isinstance(found, Source):
            sources.append(found)
        elif isinstance(found, Blocked):
            blocked.append(
                FileResult(source=found.path, status="failed", reason=found.reason, message=found.message)
            )
        else:
            ignored.append(found)
    kept, own = drop_own_outputs(sources)
    jobs = make_jobs(kept, where, settings)
    if settings.existing == "error":
        refuse_existing(jobs)
    recipe = Recipe(model=model.digest, settings=settings.digest())
    journals = {root: Journal(root) for root in dict.fromkeys(job.out_root for job in jobs)}
    settled: dict[Job, FileResult] = {}
    for job in jobs:
        result = settle(job, settings.existing, journals[job.out_root], recipe)
        if result is not None:
            settled[job] = result
    return Plan(
        jobs=jobs,
        settled=settled,
        blocked=tuple(blocked),
        ignored=(*ignored, *own),
        journals=journals,
        recipe=recipe,
    )


def run_batch(
    settings: Settings, *, upscaler_factory: UpscalerFactory, progress: Progress | None = None
) -> Report:
    """Upscale everything that `settings` names.

    One photograph that fails never ends the run, and sources are never changed. Ctrl-C and SIGTERM end it in
    order: the report says what was done, and the same settings continue it.

    Args:
        settings: What to do.
        upscaler_factory: Opens the network; called once, before anything is written.
        progress: Told about each photograph; None for silence.

    Returns:
        The report, already written to `settings.report` if that is set.

    Raises:
        UsageError, OutputCollisionError, CapabilityError: As `make_plan` and the factory; nothing is written.
            Also CapabilityError where the network stops working in the middle; finished outputs stay.
        WriteFailedError: The report itself could not be written.
    """
    check_inputs(settings)
    shown = Silent() if progress is None else progress
    begun_s = time.perf_counter()
    upscaler = upscaler_factory(settings)
    try:
        plan = make_plan(settings, upscaler.info)
        facts = _facts(upscaler)
        shown.begin(_headline(facts, plan), len(plan.todo))
        with Interrupt() as interrupt:
            try:
                results, pipeline = _run(plan, settings, upscaler, interrupt, shown)
            finally:
                shown.end()
                for journal in plan.journals.values():
                    journal.close()
        why = "interrupted" if interrupt.signum is not None else "fail-fast"
        report = Report(
            facts=facts,
            files=(*plan.blocked, *_in_order(plan, results, why)),
            elapsed_s=time.perf_counter() - begun_s,
            stages=pipeline.stages,
            ignored=plan.ignored,
            signal=interrupt.signum,
        )
    finally:
        upscaler.close()
    if settings.report is not None:
        write_atomically(settings.report, report.to_json_text().encode())
    return report


def _run(
    plan: Plan, settings: Settings, upscaler: PhotoUpscaler, interrupt: Interrupt, progress: Progress
) -> tuple[dict[Job, FileResult], Pipeline]:
    failures = [result for result in (*plan.blocked, *plan.settled.values()) if result.status == "failed"]

    def finished(result: FileResult) -> None:
        if result.status == "failed":
            failures.append(result)
        progress.advance(result)

    def stopped() -> bool:
        return interrupt.signum is not None or (settings.fail_fast and bool(failures))

    writer = Writer(
        recipe=plan.recipe, journals=plan.journals, quality=settings.quality, metadata=settings.metadata
    )
    limits = Limits(workers=_workers(settings), batch_size=max(1, upscaler.batch_size))
    pipeline = Pipeline(upscaler, writer, limits, stopped=stopped, finished=finished)
    with warnings.catch_warnings():
        # Pillow warns about what `decode` either survives or reports by name; between the lines of a
        # progress display those warnings would only confuse.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        return pipeline.run(plan.todo), pipeline


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


def _headline(facts: Facts, plan: Plan) -> str:
    line = f"{facts.headline()}: {counted(len(plan.todo), 'photograph')}"
    return f"{line}, {len(plan.settled)} already there" if plan.settled else line


def _workers(settings: Settings) -> int:
    if settings.workers is not None:
        return settings.workers
    return max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) // 2))
