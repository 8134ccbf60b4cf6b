"""What to do about an output that is already there: done before, made by someone else, or to be redone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesr_cli.batch.journal import Entry, Journal
from facesr_cli.batch.plan import Job
from facesr_cli.batch.report import FileResult
from facesr_cli.batch.settings import ExistingMode
from facesr_cli.batch.wording import counted, printable
from facesr_cli.errors import UsageError

_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What, besides the source, an output depends on."""

    model: str
    """Digest of the model file."""
    settings: str
    """`Settings.digest()`."""


def refuse_existing(jobs: Sequence[Job]) -> None:
    """Raise UsageError if any output exists; the meaning of --existing error."""
    there = [job.destination for job in jobs if os.path.lexists(job.destination)]
    if there:
        names = [printable(path) for path in there[:_LISTED]]
        if len(there) > _LISTED:
            names.append(f"and {len(there) - _LISTED} more")
        raise UsageError(
            f"{counted(len(there), 'output')} exist already; nothing has been started. Choose another -o or "
            "--existing:\n  " + "\n  ".join(names)
        )


def settle(
    job: Job, mode: ExistingMode, journal: Journal, recipe: Recipe, *, verify: bool = False
) -> FileResult | None:
    """Return the result of a job that is not to be run, or None for one that is.

    `resume` runs whatever is missing or changed. A file that the journal does not know was not made here: it
    is never replaced, and the job fails with `exists-unknown`. With `verify` an output also counts as changed
    where its bytes are not the ones that were written.
    """
    if mode == "overwrite" or not os.path.lexists(job.destination):
        return None
    if mode == "skip":
        return _skipped(job, "exists")
    entry = journal.entry(job.relative)
    if entry is None:
        return FileResult(
            source=job.source,
            status="failed",
            reason="exists-unknown",
            message=f"{printable(job.destination)} exists, and no journal says that facesr-cli made it. Move "
            "it away, or use --existing overwrite or skip.",
        )
    if not _is_current(job, entry, journal, recipe):
        return None
    # `writing`: a run was killed around the rename, so the name may still stand for older bytes.
    if verify or entry.state == "writing":
        if _sha256(job.destination) != entry.output_sha256:
            return None
        journal.confirm(job.relative)
    return _skipped(job, "done-before")


def _is_current(job: Job, entry: Entry, journal: Journal, recipe: Recipe) -> bool:
    try:
        source, output = job.source.stat(), job.destination.stat()
    except OSError:  # a source that is gone fails by name when it is decoded
        return False
    wanted = (
        journal.source_name(job.source),
        source.st_size,
        source.st_mtime_ns,
        recipe.model,
        recipe.settings,
    )
    made = (entry.source, entry.source_size, entry.source_mtime_ns, entry.model, entry.settings)
    return wanted == made and output.st_size == entry.output_size


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _skipped(job: Job, reason: str) -> FileResult:
    return FileResult(source=job.source, output=job.destination, status="skipped", reason=reason)
