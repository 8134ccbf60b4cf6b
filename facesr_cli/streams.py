"""The standard streams of the command: whole from the start, and a stderr that nobody reads ends nothing."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


class _Lossy(io.FileIO):
    """Loses, without an error, what cannot be written."""

    def write(self, data: Any, /) -> Any:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _lossy(stream: TextIO) -> TextIO:
    """Return a text stream to the descriptor of `stream` that never raises OSError."""
    stream.flush()
    raw: Any = _Lossy(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, errors=stream.errors, line_buffering=True
    )


class StdoutError(OSError):
    """What the system said when stdout was written, so that no other fault is taken for it."""


class _Telling(io.FileIO):
    """Raises `StdoutError` in the place of OSError."""

    def write(self, data: Any, /) -> Any:
        try:
            return super().write(data)
        except OSError as error:
            raise StdoutError(error.errno, error.strerror) from error


def _telling(stream: TextIO) -> TextIO:
    """Return a text stream to the descriptor of `stream` that names itself in errors.

    What the encoding of a pipe or file lacks is escaped, as stderr does it, and costs no line.
    """
    stream.flush()
    raw: Any = _Telling(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.isatty(),
    )


def prepare_streams() -> None:
    """Make stdin, stdout and stderr fit for a program that writes files and may lose its terminal.

    Descriptors 0 to 2 that the caller has closed are opened on the null device; otherwise the next file that
    is opened would take their number, and messages would be written into it.

    What stderr no longer takes is lost. It carries commentary only, so a reader that has gone away (Ctrl-C
    also ends the `tee` behind a pipe) is no reason to end a run, or to change its exit code. What stdout no
    longer takes is a `StdoutError`.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    # Others that stand in its place, as in tests, and the consoles of Windows, which are no files, stay.
    original: Any = sys.__stdout__
    if sys.stdout is original and not (os.name == "nt" and sys.stdout.isatty()):
        sys.stdout = _telling(sys.stdout)
    original = sys.__stderr__
    if sys.stderr is original and not (os.name == "nt" and sys.stderr.isatty()):
        sys.stderr = _lossy(sys.stderr)


def discard_stdout() -> None:
    """Send what is still buffered for a stdout that failed, and all that follows, to the null device.

    Otherwise the interpreter would try once more at its end, and replace the exit code.
    """
    opened = os.open(os.devnull, os.O_WRONLY)
    os.dup2(opened, sys.stdout.fileno())
    os.close(opened)
