"""Progress on stderr: a bar on a terminal, now and then a line in a log, or nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TextIO

from facesr_cli.batch.report import FileResult
from facesr_cli.batch.wording import escaped, printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar
    from rich.progress import TaskID

_LINE_EVERY_S = 30.0


class Progress(Protocol):
    """What the batch room tells while it works; always called from one thread."""

    def begin(self, headline: str, total: int) -> None:
        """Say what runs and how many photographs are to be done."""

    def advance(self, result: FileResult) -> None:
        """Take one photograph that is done or failed."""

    def end(self) -> None:
        """Nothing more comes, or the run has failed."""


class Silent:
    """No progress at all: -q, and the default of the Python API."""

    def begin(self, headline: str, total: int) -> None:
        """Say nothing."""

    def advance(self, result: FileResult) -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""


class Lines:
    """A headline, then one line every half minute, or with `each` one line per photograph."""

    def __init__(self, stream: TextIO, *, each: bool = False) -> None:
        self._stream = stream
        self._each = each
        self._total = self._finished = 0
        self._begun_s = self._told_s = 0.0

    def begin(self, headline: str, total: int) -> None:
        """Write the headline."""
        self._total = total
        self._begun_s = self._told_s = time.perf_counter()
        self._write(headline)

    def advance(self, result: FileResult) -> None:
        """Write a line where one is due."""
        self._finished += 1
        if self._each:
            self._write(_file_line(result))
        now_s = time.perf_counter()
        if now_s - self._told_s >= _LINE_EVERY_S:
            self._told_s = now_s
            rate = self._finished / (now_s - self._begun_s)
            left_s = (self._total - self._finished) / rate
            self._write(f"{self._finished}/{self._total}, {rate:.2f} a second, {left_s:.0f} s left")

    def end(self) -> None:
        """Write nothing; the summary follows."""

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class Bar:
    """A headline, then a bar with rate and time left; with `each` also one line per photograph."""

    def __init__(self, stream: TextIO, *, each: bool = False) -> None:
        self._stream = stream
        self._each = each
        self._bar: RichBar | None = None
        self._task: TaskID | None = None

    def begin(self, headline: str, total: int) -> None:
        """Write the headline and draw the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(file=self._stream, highlight=False), transient=True)
        self._bar.console.print(headline, markup=False)
        self._task = self._bar.add_task("", total=total, rate="")
        self._bar.start()

    def advance(self, result: FileResult) -> None:
        """Move the bar."""
        assert self._bar is not None and self._task is not None
        if self._each or result.status == "failed":
            self._bar.console.print(_file_line(result), markup=False, soft_wrap=True)
        speed = self._bar.tasks[0].speed
        self._bar.update(self._task, advance=1, rate="" if speed is None else f"{speed:.2f} a second")

    def end(self) -> None:
        """Take the bar away; the summary follows."""
        if self._bar is not None:
            self._bar.stop()


def _file_line(result: FileResult) -> str:
    line = f"{result.status} {printable(result.source)}"
    if result.output is not None:
        line += f" -> {printable(result.output)} ({result.elapsed_s:.2f} s)"
    if result.reason is not None:
        line += f" [{result.reason}]"
    return "; ".join((line, *map(escaped, result.notes)))
