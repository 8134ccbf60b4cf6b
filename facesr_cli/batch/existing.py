"""What to do about an output that is already there: done before, made by someone else, or to be redone."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesr_cli.batch.journal import Entry, Journal
from facesr_cli.batch.plan import Job
from facesr_cli.batch.report import FileResult
from facesr_cli.batch.settings import ExistingMode
from facesr_cli.batch.wording import counted, printable
from facesr_cli.errors import PhotoError, UsageError
from facesr_cli.photo import decode

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

    `resume` runs whatever is missing or changed. What was not made here from this photograph is never
    replaced: a file that the journal does not know, or that someone has worked on since, fails the job with
    `exists-unknown`, and the output of another photograph that is still there with `exists-other-source`.
    With `verify` an output also counts as changed where its bytes are not the ones that were written.
    """
    if mode == "overwrite" or not os.path.lexists(job.destination):
        return None
    if mode == "skip":
        return _skipped(job, "exists")
    entry = journal.entry(job.relative)
    if entry is None:
        return _refused(
            job,
            "exists-unknown",
            "exists, and no journal says that facesr-cli made it. Move it away, or use --existing overwrite "
            "or skip.",
        )
    if not _is_current(job, entry, journal, recipe):
        return _protected(job, entry, journal, verify=verify)
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
    wanted = (source.st_size, source.st_mtime_ns, recipe.model, recipe.settings, output.st_size)
    made = (entry.source_size, entry.source_mtime_ns, entry.model, entry.settings, entry.output_size)
    return wanted == made and _is_of(job, entry, journal)


def _is_of(job: Job, entry: Entry, journal: Journal) -> bool:
    """Return whether `entry` tells of this photograph, maybe by another spelling."""
    if entry.source == journal.source_name(job.source):
        return True
    try:
        return os.path.samefile(_origin(entry, journal), job.source)
    except (OSError, ValueError):  # it is gone, or a name that cannot be one
        return False


def _origin(entry: Entry, journal: Journal) -> str:
    return os.path.join(os.path.realpath(journal.root), entry.source)


def _protected(job: Job, entry: Entry, journal: Journal, *, verify: bool) -> FileResult | None:
    """Return the failure of a job whose output is not this photograph's to replace; None for its own.

    An output that was cut off, or broken in another way, is made again. One that is a whole picture of other
    bytes than were written is somebody's work, unless `verify` asks for it; where a run was killed while it
    wrote (`writing`), the bytes are those of the run before.
    """
    if not _is_of(job, entry, journal) and _exists(_origin(entry, journal)):
        return _refused(
            job,
            "exists-other-source",
            f"was made from {printable(Path(os.path.normpath(_origin(entry, journal))))}, which is another "
            "photograph. Choose another -o for this one, or use --existing overwrite or skip.",
        )
    is_altered = not verify and entry.state == "done" and _sha256(job.destination) != entry.output_sha256
    if is_altered and _is_whole(job.destination):
        return _refused(
            job,
            "exists-unknown",
            "has been changed since facesr-cli made it, and would have to be made again. Move it away, or "
            "use --existing overwrite or skip.",
        )
    return None


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # no name that could be one
        return False


def _is_whole(path: Path) -> bool:
    """Return whether `path` is a picture that can be read to its end."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about what it passes over
            decode(path)
    except PhotoError as error:
        return error.reason == "too-large"  # not read, so nobody knows
    return True


def _refused(job: Job, reason: str, why: str) -> FileResult:
    message = f"{printable(job.destination)} {why}"
    return FileResult(source=job.source, status="failed", reason=reason, message=message)


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _skipped(job: Job, reason: str) -> FileResult:
    return FileResult(source=job.source, output=job.destination, status="skipped", reason=reason)
