"""The two ends of the pipeline for one photograph: from file to pixels, and from larger pixels to a file."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from facesr_cli.batch.atomic import make_directories, write_atomically
from facesr_cli.batch.containment import refuse_outside
from facesr_cli.batch.existing import Recipe, refuse_retouched
from facesr_cli.batch.journal import Entry, Journal
from facesr_cli.batch.plan import Job
from facesr_cli.batch.report import FileResult
from facesr_cli.batch.settings import MetadataMode
from facesr_cli.batch.wording import printable
from facesr_cli.errors import PhotoError, UnreadablePhotoError, WriteFailedError
from facesr_cli.photo import Photo, bleed, decode, encode, fit_to_format, header_size
from facesr_cli.photo.formats import format_of_source, format_of_suffix
from facesr_cli.photo.places import enlarged_exif, enlarged_xmp
from facesr_cli.photo.planes import lanczos


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A photograph between decoding and encoding."""

    job: Job
    photo: Photo
    source_size: int
    """Bytes of the file when it was read."""
    source_mtime_ns: int
    source_mode: int
    """Permissions, as `os.stat_result.st_mode` has them."""
    elapsed_s: float
    """Spent on it so far."""


def stated_px(job: Job) -> int:
    """Return the pixels that the source's header states; 0 where `decode_stage` will say what is wrong."""
    try:
        width, height = header_size(job.source)
    except UnreadablePhotoError:
        return 0
    return width * height


def decode_stage(job: Job) -> Decoded | FileResult:
    """Read one photograph; a failure is a result, never an exception."""
    begun_s = time.perf_counter()
    try:
        # Taken first: a source that changes while it is read then counts as changed for the next run.
        status = _stat(job.source)
        photo = bleed(decode(job.source))
        if status is None:  # it has appeared in this very moment
            raise UnreadablePhotoError("not-found", f"{job.source}: was not there. Run the command again.")
    except Exception as error:  # the documented boundary: one photograph never ends the run
        return failed(job, error, elapsed_s=time.perf_counter() - begun_s)
    return Decoded(
        job=job,
        photo=_with_kind_note(photo, job),
        source_size=status.st_size,
        source_mtime_ns=status.st_mtime_ns,
        source_mode=status.st_mode,
        elapsed_s=time.perf_counter() - begun_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Encodes and writes outputs, and records them; used from several threads."""

    recipe: Recipe
    journals: Mapping[Path, Journal]
    """By `Job.out_root`."""
    absent: frozenset[Job] = frozenset()
    """As `Plan.absent`."""
    careful: bool = False
    """Whether outputs that someone has worked on stay: --existing resume without --verify."""
    quality: int | None
    metadata: MetadataMode
    software: str | None = None
    """Names tool and model in the files; None leaves them unsigned."""

    def encode_stage(self, decoded: Decoded, larger: NDArray[Any]) -> FileResult:
        """Write one photograph; a failure is a result, never an exception.

        Args:
            decoded: The source.
            larger: (sH, sW, 3) RGB, what the network made of `decoded.photo.pixels`.
        """
        job = decoded.job
        begun_s = time.perf_counter()
        try:
            photo = fit_to_format(enlarged(decoded.photo, larger), job.file_format)
            data = encode(
                photo,
                file_format=job.file_format,
                quality=self.quality,
                metadata=self.metadata,
                software=self.software,
            )
            self._write(decoded, data)
        except Exception as error:  # the documented boundary: one photograph never ends the run
            elapsed_s = decoded.elapsed_s + time.perf_counter() - begun_s
            return failed(job, error, elapsed_s=elapsed_s, photo=decoded.photo)
        return FileResult(
            source=job.source,
            status="done",
            output=job.destination,
            notes=photo.notes,
            input_size=decoded.photo.size,
            output_size=photo.size,
            elapsed_s=decoded.elapsed_s + time.perf_counter() - begun_s,
        )

    def _write(self, decoded: Decoded, data: bytes) -> None:
        job = decoded.job
        journal = self.journals[job.out_root]
        entry = Entry(
            state="writing",
            source=journal.source_name(job.source),
            source_size=decoded.source_size,
            source_mtime_ns=decoded.source_mtime_ns,
            model=self.recipe.model,
            settings=self.recipe.settings,
            output=job.relative,
            output_size=len(data),
            output_sha256=hashlib.sha256(data).hexdigest(),
        )
        # Once more than in the plan: links may have been laid since.
        refuse_outside(job.destination.parent, job.out_root)
        known = journal.entry(job.relative)
        if self.careful and job not in self.absent:
            refuse_retouched(job.destination, known)
        try:
            journal.append(entry)
            make_directories(job.destination.parent, below=job.out_root)
            write_atomically(
                job.destination,
                data,
                durable=True,
                replace=job not in self.absent,
                as_private_as=decoded.source_mode,
            )
        except WriteFailedError as error:
            if error.reason == "exists-unknown" or not os.path.lexists(job.destination):
                # The name stands for nothing that was made here. What is put there later is not ours either.
                journal.restore(job.relative, known)
            raise
        try:
            journal.append(replace(entry, state="done"))
        except WriteFailedError as error:
            if error.reason == "output-lost":
                # The directory went away in between, so the output stands in a new one that no journal knows.
                job.destination.unlink(missing_ok=True)
            raise


def enlarged(photo: Photo, larger: NDArray[Any]) -> Photo:
    """Return `photo` with the pixels of the network, alpha brought to their size by Lanczos.

    What else has a size, `encode` enlarges while it writes.
    """
    height, width = larger.shape[:2]
    factor = height // photo.pixels.shape[0]
    alpha: Any = photo.alpha
    return replace(
        photo,
        pixels=larger,
        exif=enlarged_exif(photo.exif, factor),
        xmp=enlarged_xmp(photo.xmp, factor),
        alpha=None if alpha is None else lanczos(alpha, width, height),
    )


def failed(job: Job, error: Exception, *, elapsed_s: float, photo: Photo | None = None) -> FileResult:
    """Return the result of a photograph that failed with `error`, named in its message."""
    if isinstance(error, PhotoError):
        reason, message = error.reason, str(error)
    elif isinstance(error, MemoryError):
        reason, message = "out-of-memory", "does not fit into memory. Use fewer --workers."
    else:
        reason = "internal-error"
        message = f"unexpected {type(error).__name__}: {error}. Please report this."
    source, destination = printable(job.source), printable(job.destination)
    if message.startswith(str(job.source)):
        message = source + message.removeprefix(str(job.source))
    elif not message.startswith((source, destination)):
        message = f"{destination if isinstance(error, WriteFailedError) else source}: {message}"
    return FileResult(
        source=job.source,
        status="failed",
        reason=reason,
        message=message,
        input_size=None if photo is None else photo.size,
        elapsed_s=elapsed_s,
    )


def _stat(path: Path) -> os.stat_result | None:
    """Return the status of a source; None where there is none, which `decode` then reports by name."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _with_kind_note(photo: Photo, job: Job) -> Photo:
    """Say so where a file holds another kind of picture than its name promises."""
    promised = format_of_suffix(job.source.suffix)
    if promised is None or promised is format_of_source(photo.format):
        return photo
    note = f"is named {job.source.suffix} but holds {photo.format}; written as {job.file_format}"
    return replace(photo, notes=(*photo.notes, note))
