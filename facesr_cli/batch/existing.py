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
from facesr_cli.errors import PhotoError, UsageError, WriteFailedError
from facesr_cli.photo import decode

_LISTED = 10
_DAMAGE = frozenset(("truncated", "damaged", "empty-file", "not-an-image"))
"""Reasons of `decode` that tell of the bytes. Others tell of the reader: what it may not or cannot read may
be somebody's work."""


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
    replaced: a file that the journal does not know fails the job with `exists-unknown`, the output of another
    photograph that is still there with `exists-other-source`, and one that someone has worked on is left
    alone as `retouched`. With `verify` an output also counts as changed where its bytes are not the ones that
    were written. Here only sizes are compared; `refuse_retouched` compares bytes before a file is replaced.
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
    try:
        source, output = job.source.stat(), job.destination.stat()
    except OSError:  # a source that is gone fails by name when it is decoded, a link to nothing is replaced
        return None
    same_file = (source.st_size, source.st_mtime_ns) == (entry.source_size, entry.source_mtime_ns)
    if not _is_of(job, entry, journal):
        if same_file or not _exists(_origin(entry, journal)):  # a copy of it, or it has moved
            return None
        return _refused(
            job,
            "exists-other-source",
            f"was made from {printable(Path(os.path.normpath(_origin(entry, journal))))}, which is another "
            "photograph. Choose another -o for this one, or use --existing overwrite or skip.",
        )
    if not (same_file and (entry.model, entry.settings) == (recipe.model, recipe.settings)):
        return None
    if output.st_size != entry.output_size:
        kept = not verify and entry.state == "done" and not _is_broken(job.destination, entry)
        return _skipped(job, "retouched") if kept else None
    # `writing`: a run was killed around the rename, so the name may still stand for older bytes.
    if verify or entry.state == "writing":
        if _sha256(job.destination) != entry.output_sha256:
            return None
        journal.confirm(job.relative)
    return _skipped(job, "done-before")


def refuse_retouched(path: Path, entry: Entry | None) -> None:
    """Raise WriteFailedError where `path`, about to be replaced, is a whole picture of other bytes.

    Args:
        path: An output that exists.
        entry: What the journal says of it. Where a run was killed while it wrote (`writing`), the bytes are
            those of the run before, and nobody's work is known to be in them.
    """
    if entry is None or entry.state != "done" or path.is_symlink() or not path.exists():
        return
    if _sha256(path) != entry.output_sha256 and not _is_broken(path, entry):
        raise WriteFailedError(
            "exists-unknown",
            f"{printable(path)} has been changed since facesr-cli made it, and would have to be made again. "
            "Move it away, or use --existing overwrite or skip, or --verify if it only has older bytes.",
        )


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


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # no name that could be one
        return False


def _is_broken(path: Path, entry: Entry) -> bool:
    """Return whether there is evidence that a file is damaged, and not only other than it was written."""
    try:
        if path.stat().st_size < entry.output_size and _ends_too_early(path):
            return True
    except OSError:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about what it passes over
            decode(path)
    except PhotoError as error:
        return error.reason in _DAMAGE
    return False


def _ends_too_early(path: Path) -> bool:
    """Return whether a PNG, JPEG or WebP lacks its end, which some decoders do not mind.

    What other programs put behind the end does not count.
    """
    content = path.read_bytes()
    if content.startswith(b"\x89PNG"):
        return b"IEND\xaeB`\x82" not in content
    if content.startswith(b"\xff\xd8"):  # no end of image after the last start of scan
        return content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda")
    return content.startswith(b"RIFF") and int.from_bytes(content[4:8], "little") + 8 > len(content)


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
