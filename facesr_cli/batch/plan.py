"""Where each output goes; two outputs in one place, or one over an input, are refused before any work."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facesr_cli.batch.discover import Source
from facesr_cli.batch.settings import Settings
from facesr_cli.batch.wording import printable
from facesr_cli.errors import OutputCollisionError, UsageError
from facesr_cli.photo.formats import PHOTO_SUFFIXES, FileFormat, format_of_suffix, output_suffix

_LISTED_COLLISIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One photograph to write."""

    source: Path
    destination: Path
    out_root: Path
    """The directory whose journal records the output."""
    file_format: FileFormat

    @property
    def relative(self) -> str:
        """The output's path below `out_root`, with forward slashes: its name in the journal."""
        return Path(os.path.relpath(self.destination, self.out_root)).as_posix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the outputs of one INPUT go."""

    root: Path
    """The directory of the journal."""
    below: Path
    """Where the INPUT's own tree starts; `root`, or a directory in it."""
    file: Path | None = None
    """The output itself, where -o names a file."""
    name_mark: str = ""
    """Put between name and extension, where the output lies beside its input."""


def check_inputs(settings: Settings) -> None:
    """Raise UsageError for an INPUT that does not exist or cannot be looked at."""
    for path in settings.inputs:
        if not os.path.lexists(path):
            raise UsageError(f"{printable(path)}: no such file or directory.")


def places(settings: Settings, scale: int) -> dict[Path, Place]:
    """Return the place of each INPUT.

    Args:
        settings: Inputs and -o.
        scale: Of the model; default names carry it ("portraits-x2").

    Raises:
        UsageError: -o names an existing file for several outputs, a kind of file that is not written, or an
            input directory itself.
    """
    directories = [path for path in settings.inputs if os.path.isdir(path)]
    found = {
        path: _place(path, settings, scale, own_directory=len(directories) > 1) for path in settings.inputs
    }
    for path in directories:
        if os.path.realpath(found[path].below) == os.path.realpath(path):
            raise UsageError(f"-o {printable(found[path].root)} is the input directory. Choose another one.")
    return _spelt_alike(found)


def make_jobs(sources: Iterable[Source], where: dict[Path, Place], settings: Settings) -> tuple[Job, ...]:
    """Return one job per source, in the same order; OutputCollisionError lists every clash."""
    jobs = tuple(_job(source, where[source.root], settings) for source in sources)
    _refuse_collisions(jobs, settings.report)
    return jobs


def _place(path: Path, settings: Settings, scale: int, *, own_directory: bool) -> Place:
    out = settings.out
    if os.path.isdir(path):
        # "." and ".." have no name of their own
        named = path if path.name not in ("", "..") else Path(os.path.abspath(path))
        if out is None:
            if not named.name:
                raise UsageError(f"{printable(path)}: name an output directory with -o.")
            root = named.with_name(f"{named.name}-x{scale}")
            return Place(root=root, below=root)
        _check_directory(out)
        return Place(root=out, below=out / named.name if own_directory else out)
    if out is None:
        return Place(root=path.parent, below=path.parent, name_mark=f"-x{scale}")
    if len(settings.inputs) == 1 and out.suffix.lower() in PHOTO_SUFFIXES and not os.path.isdir(out):
        _check_file_name(out, settings)
        return Place(root=out.parent, below=out.parent, file=out)
    _check_directory(out)
    return Place(root=out, below=out)


def _spelt_alike(found: dict[Path, Place]) -> dict[Path, Place]:
    """Give each output directory the first of its spellings, so that it has one lock and one journal."""
    spellings: dict[object, Path] = {}
    alike: dict[Path, Place] = {}
    for path, place in found.items():
        root = spellings.setdefault(_identity(place.root), place.root)
        alike[path] = replace(
            place,
            root=root,
            below=root / place.below.relative_to(place.root),
            file=None if place.file is None else root / place.file.name,
        )
    return alike


def _identity(directory: Path) -> object:
    """Return what all spellings of a directory have in common, also by links or in other case."""
    try:
        status = directory.stat()
    except OSError:  # it is not made yet
        return os.path.normcase(os.path.realpath(directory))
    return status.st_dev, status.st_ino


def _check_directory(out: Path) -> None:
    if os.path.lexists(out) and not os.path.isdir(out):
        raise UsageError(f"-o {printable(out)} is a file; several outputs, or a tree, need a directory.")


def _check_file_name(out: Path, settings: Settings) -> None:
    named = format_of_suffix(out.suffix)
    if named is None:
        raise UsageError(f"-o {printable(out)}: {out.suffix} is not written. Use .png, .jpg, .webp or .tiff.")
    if settings.file_format not in ("same", named.value):
        raise UsageError(f"-o {printable(out)} and --format {settings.file_format} contradict each other.")


def _job(source: Source, place: Place, settings: Settings) -> Job:
    if place.file is not None:
        destination = place.file
    else:
        suffix = output_suffix(source.relative.suffix, settings.file_format)
        name = f"{source.relative.stem}{place.name_mark}{suffix}"
        destination = place.below / source.relative.parent / name
    file_format = format_of_suffix(destination.suffix)
    assert file_format is not None  # output_suffix and _check_file_name give written kinds only
    return Job(source=source.path, destination=destination, out_root=place.root, file_format=file_format)


def _refuse_collisions(jobs: Sequence[Job], report: Path | None) -> None:
    key_of = _Keys()
    inputs: dict[str, Path] = {}
    for job in jobs:
        inputs[key_of(job.source)] = job.source
        inputs[key_of(Path(os.path.realpath(job.source)))] = job.source
    outputs: dict[str, Job] = {}
    clashes: list[str] = []
    for job in jobs:
        key = key_of(job.destination)
        here = f"{printable(job.source)} -> {printable(job.destination)}"
        if key in inputs:
            clashes.append(f"{here}, which is the input {printable(inputs[key])}")
        elif key in outputs:
            clashes.append(f"{here}, which is also the output of {printable(outputs[key].source)}")
        outputs.setdefault(key, job)
    if report is not None and key_of(report) in inputs | outputs:
        clashes.append(f"--report {printable(report)}, which is also a photograph of this run")
    if report is not None and Path(key_of(report)) in {
        parent for key in outputs for parent in Path(key).parents
    }:
        clashes.append(f"--report {printable(report)}, which is also a directory of outputs")
    for job in jobs:
        for parent in Path(key_of(job.destination)).parents:
            if str(parent) in outputs:
                other = outputs[str(parent)]
                clashes.append(
                    f"{printable(job.source)} -> {printable(job.destination)}, which is inside the output "
                    f"file of {printable(other.source)}"
                )
    if not clashes:
        return
    listed = clashes[:_LISTED_COLLISIONS]
    if len(clashes) > len(listed):
        listed.append(f"and {len(clashes) - len(listed)} more")
    raise OutputCollisionError(
        "Outputs collide; nothing has been started. Choose another -o, keep --format same, or --exclude one "
        "of each pair:\n  " + "\n  ".join(listed)
    )


class _Keys:
    """One text for all spellings that some file system takes for the same file.

    Case and Unicode normal form do not count, because disks of macOS and Windows ignore them, and outputs
    move between machines.
    """

    def __init__(self) -> None:
        self._real_directories: dict[Path, str] = {}

    def __call__(self, path: Path) -> str:
        directory = self._real_directories.get(path.parent)
        if directory is None:
            directory = self._real_directories[path.parent] = os.path.realpath(path.parent)
        location = unicodedata.normalize("NFC", os.path.join(directory, path.name))
        return unicodedata.normalize("NFC", location.casefold())
