"""What a run is going to do: every photograph that was found, and what is decided about it beforehand."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facesr_cli.batch.containment import refuse_outside
from facesr_cli.batch.discover import Blocked, Filter, Ignored, Source, discover
from facesr_cli.batch.existing import Recipe, refuse_existing, settle
from facesr_cli.batch.inference import ModelFacts
from facesr_cli.batch.journal import Journal
from facesr_cli.batch.own_outputs import drop_own_outputs
from facesr_cli.batch.plan import Job, check_inputs, make_jobs, places
from facesr_cli.batch.report import FileResult
from facesr_cli.batch.settings import Settings
from facesr_cli.errors import WriteFailedError
from facesr_cli.photo.limits import pixel_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do; made without writing anything."""

    jobs: tuple[Job, ...]
    """Every photograph, in the order in which they were found."""
    settled: dict[Job, FileResult]
    """Those that are not to be run: skipped, or refused because of where the output would go."""
    absent: frozenset[Job]
    """Those at whose output's name nothing was found, so that nothing is to be replaced there; empty with
    --existing overwrite."""
    blocked: tuple[FileResult, ...]
    """Directories that could not be listed."""
    ignored: tuple[Ignored, ...]
    journals: dict[Path, Journal]
    """By `Job.out_root`."""
    recipe: Recipe

    @property
    def todo(self) -> tuple[Job, ...]:
        """The photographs to run."""
        return tuple(job for job in self.jobs if job not in self.settled)


def make_plan(settings: Settings, model: ModelFacts, stopped: Callable[[], bool] = lambda: False) -> Plan:
    """Find the photographs and decide about each of them.

    Args:
        settings: What to do.
        model: What outputs depend on.
        stopped: Says that nothing more is to be read for comparisons; photographs about which nothing is
            decided then are left to be run.

    Raises:
        UsageError: An INPUT does not exist, -o makes no sense, or --existing error found an output.
        OutputCollisionError: Two outputs, or an output and an input, are the same file.
        CapabilityError: A journal was written by a newer version, or cannot be read.
        PlanInterruptedError: `stopped`, before it was known which files are outputs of an earlier run.
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
    kept, own = drop_own_outputs(sources, stopped)
    jobs = make_jobs(kept, where, settings)
    if settings.existing == "error":
        refuse_existing(jobs)
    recipe = Recipe(model=model.digest, settings=settings.digest())
    journals = {root: Journal(root) for root in dict.fromkeys(job.out_root for job in jobs)}
    # Before the decisions: what appears in between is then settled as being there, or never replaced.
    absent = frozenset(
        job for job in jobs if settings.existing != "overwrite" and not os.path.lexists(job.destination)
    )
    return Plan(
        jobs=jobs,
        absent=absent,
        settled=_settled(jobs, settings, journals, recipe, stopped),
        blocked=tuple(blocked),
        ignored=(*ignored, *own),
        journals=journals,
        recipe=recipe,
    )


def refused(job: Job, error: WriteFailedError) -> FileResult:
    """Return the result of a job that is not run, because its output could not be written."""
    return FileResult(source=job.source, status="failed", reason=error.reason, message=str(error))


def _settled(
    jobs: tuple[Job, ...],
    settings: Settings,
    journals: dict[Path, Journal],
    recipe: Recipe,
    stopped: Callable[[], bool],
) -> dict[Job, FileResult]:
    outside: dict[tuple[Path, Path], WriteFailedError] = {}
    for directory, root in {(job.destination.parent, job.out_root) for job in jobs}:
        try:
            refuse_outside(directory, root)
        except WriteFailedError as error:
            outside[directory, root] = error
    settled: dict[Job, FileResult] = {}
    with pixel_limit(settings.max_megapixels):
        for job in jobs:
            if stopped():
                break
            leading_out = outside.get((job.destination.parent, job.out_root))
            if leading_out is not None:
                settled[job] = refused(job, leading_out)
                continue
            result = settle(job, settings.existing, journals[job.out_root], recipe, verify=settings.verify)
            if result is not None:
                settled[job] = result
    return settled
