"""Outputs of earlier runs among the inputs: recognised by journals, so that nothing is enlarged twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from facesr_cli.batch.discover import Ignored, Locations, Source
from facesr_cli.batch.interrupt import PlanInterruptedError
from facesr_cli.batch.journal import Entry, Journal
from facesr_cli.errors import CapabilityError


def drop_own_outputs(
    sources: Iterable[Source], stopped: Callable[[], bool] = lambda: False
) -> tuple[list[Source], list[Ignored]]:
    """Leave out every source that an earlier run made from another of these sources.

    So `upscale .` beside an old `portraits-x2`, or `upscale *.jpg` beside old `NAME-x2.jpg`, does what the
    first run did. `upscale portraits-x2` alone enlarges once more, because its originals are not inputs. Nor
    is a photograph left out that has only taken the name of an output: the journal's digest decides.

    Args:
        sources: What was found.
        stopped: Says that no more files are to be read.

    Raises:
        CapabilityError: A journal in an input tree was written by a newer version, or is no file.
        PlanInterruptedError: `stopped`, with files still to be read.
    """
    listed = list(sources)
    location_of = Locations()
    present = {location_of(source.path) for source in listed}
    origins = _Origins(location_of, present, stopped)
    kept: list[Source] = []
    dropped: list[Ignored] = []
    for source in listed:
        if origins.has(source):
            dropped.append(Ignored(path=source.path, reason="own-output"))
        else:
            kept.append(source)
    return kept, dropped


class _Origins:
    """Looks for the photographs that outputs were made from, in the journals above the outputs."""

    def __init__(self, location_of: Locations, present: set[str], stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self._location_of = location_of
        self._present = present
        self._by_directory: dict[str, Journal | None] = {}

    def has(self, source: Source) -> bool:
        """Return whether a journal names `source` as made from another source, and its bytes are those."""
        path = self._location_of(source.path)
        top = os.path.realpath(source.root if source.root != source.path else source.root.parent)
        directory = os.path.dirname(path)
        while True:
            is_inside = f"{directory}{os.sep}".startswith(f"{top.rstrip(os.sep)}{os.sep}")
            journal = self._journal(directory, is_inside=is_inside)
            if journal is not None:
                entry = journal.entry(Path(os.path.relpath(path, directory)).as_posix())
                if entry is not None and self._is_made(path, entry, directory):
                    return True
            parent = os.path.dirname(directory)
            if parent == directory:
                return False
            directory = parent

    def _is_made(self, path: str, entry: Entry, directory: str) -> bool:
        try:
            origin = self._location_of(os.path.join(directory, entry.source))
            if origin == path or origin not in self._present or os.stat(path).st_size != entry.output_size:
                return False
            if self._stopped():
                raise PlanInterruptedError
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == entry.output_sha256
        except (OSError, ValueError):  # a name that cannot be one, or a file that fails by name later
            return False

    def _journal(self, directory: str, *, is_inside: bool) -> Journal | None:
        """Return the journal of a directory, if it can be read.

        Nobody has named the directories above an INPUT, so what is wrong with a journal there ends no run.
        """
        if directory not in self._by_directory:
            journal: Journal | None = None
            try:
                journal = Journal(Path(directory))
            except CapabilityError as error:
                if is_inside and not isinstance(error.__cause__, OSError):
                    raise
            self._by_directory[directory] = journal
        return self._by_directory[directory]
