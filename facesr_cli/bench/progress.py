"""Progress of a benchmark on stderr: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TextIO

Progress = Callable[[int, int, str], None]
"""Told (steps done, steps in all, what begins now)."""

_LINE_EVERY_S = 15.0


class Steps:
    """Counts the steps of a run for its `Progress`."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._begun = 0

    def begin(self, text: str) -> None:
        """Say that the step before is done and `text` begins."""
        self._progress(self._begun, self._total, text)
        self._begun += 1

    def finish(self) -> None:
        """Say that all steps are done."""
        self._progress(self._total, self._total, "done")


@contextlib.contextmanager
def shown_progress(stream: TextIO) -> Iterator[Progress]:
    """Yield a `Progress` that writes to `stream`, as a bar if it is a terminal."""
    if stream.isatty():
        with _bar(stream) as progress:
            yield progress
    else:
        yield _Lines(stream)


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next_s = 0.0

    def __call__(self, done: int, total: int, text: str) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s and done < total:
            self._stream.write(f"{done}/{total} {text}\n")
            self._stream.flush()
            self._next_s = now_s + _LINE_EVERY_S


@contextlib.contextmanager
def _bar(stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with RichProgress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("", total=None)

        def progress(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, description=escape(text))

        yield progress
