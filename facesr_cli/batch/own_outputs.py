"""Outputs of earlier runs among the inputs: recognised by journals, so that nothing is enlarged twice."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from facesr_cli.batch.discover import Ignored, Source
from facesr_cli.batch.journal import Journal


def drop_own_outputs(sources: Iterable[Source]) -> tuple[list[Source], list[Ignored]]:
    """Leave out every source that an earlier run made from another of these sources.

    So `upscale .` beside an old `portraits-x2`, or `upscale *.jpg` beside old `NAME-x2.jpg`, does what the
    first run did. `upscale portraits-x2` alone enlarges once more, because its originals are not inputs.
    """
    listed = list(sources)
    present = {os.path.abspath(source.path) for source in listed}
    origins = _Origins()
    kept: list[Source] = []
    dropped: list[Ignored] = []
    for source in listed:
        origin = origins.of(source)
        if origin is not None and origin in present:
            dropped.append(Ignored(path=source.path, reason="own-output"))
        else:
            kept.append(source)
    return kept, dropped


class _Origins:
    """From an output to the photograph that it was made from, by the journals above it."""

    def __init__(self) -> None:
        self._by_directory: dict[str, dict[str, str]] = {}

    def of(self, source: Source) -> str | None:
        """Return the absolute path of the original of `source`, if a journal in its input tree knows one."""
        path = os.path.abspath(source.path)
        top = os.path.abspath(source.root if source.root != source.path else source.root.parent)
        directory = os.path.dirname(path)
        while True:
            origin = self._journal(directory).get(path)
            if origin is not None:
                return origin
            parent = os.path.dirname(directory)
            if directory == top or parent == directory:
                return None
            directory = parent

    def _journal(self, directory: str) -> dict[str, str]:
        known = self._by_directory.get(directory)
        if known is None:
            known = self._by_directory[directory] = {
                os.path.normpath(os.path.join(directory, output)): os.path.normpath(
                    os.path.join(directory, entry.source)
                )
                for output, entry in Journal(Path(directory)).entries().items()
            }
        return known
