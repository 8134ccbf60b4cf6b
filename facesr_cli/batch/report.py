"""`Report`: what became of every photograph, as JSON for programs and as lines for people."""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from facesr_cli import __version__
from facesr_cli.batch.discover import Ignored
from facesr_cli.batch.stage_times import Stages
from facesr_cli.batch.wording import counted, escaped, printable
from facesr_cli.errors import FacesrError, UsageError
from facesr_cli.photo.formats import PHOTO_SUFFIXES

Status: TypeAlias = Literal["done", "skipped", "failed", "not-started"]
_REPORT_START = re.compile(rb'\{\s*"version": "[^"]*",\s*"command": "upscale"')
_START_BYTES = 200
Size: TypeAlias = tuple[int, int]
"""(width, height) in pixels, upright."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """What became of one photograph."""

    source: Path
    status: Status
    output: Path | None = None
    """The file that is there now; None where this run has none to show."""
    reason: str | None = None
    """A word of the tables in docs/upscale.md; None for `done`."""
    message: str = ""
    """The sentence for a person that belongs to a failure."""
    notes: tuple[str, ...] = ()
    """What the output does not keep of the source."""
    input_size: Size | None = None
    output_size: Size | None = None
    elapsed_s: float = 0.0
    """Decoding, its share of inference, encoding and writing; waiting left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a run worked with."""

    model_name: str
    model_version: str
    model_digest: str
    scale: int
    provider_requested: str
    provider_actual: str
    precision: str

    def headline(self) -> str:
        """Return e.g. "face-x2 1.0 on CPUExecutionProvider (fp32)"."""
        name, version = escaped(self.model_name), escaped(self.model_version)
        return f"{name} {version} on {self.provider_actual} ({self.precision})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole run, also one that ended early."""

    facts: Facts
    files: tuple[FileResult, ...]
    """In the order in which the photographs were found."""
    elapsed_s: float
    stages: Stages = Stages()
    ignored: tuple[Ignored, ...] = ()
    signal: int | None = None
    """Number of the signal that interrupted the run."""
    error: FacesrError | None = None
    """What ended the run, or kept the report from being written; no photograph is to blame for it."""

    def count(self, status: Status) -> int:
        """Return how many photographs have `status`."""
        return sum(result.status == status for result in self.files)

    @property
    def exit_code(self) -> int:
        """What the process returns: 128 plus the signal, the code of `error`, 1 after failures, or 0."""
        if self.signal is not None:
            return 128 + self.signal
        if self.error is not None:
            return self.error.exit_code
        return 1 if self.count("failed") else 0

    @property
    def images_per_s(self) -> float:
        """Photographs done per second of the whole run."""
        return self.count("done") / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the document of `--report` and `--json`; sizes are [width, height] in pixels."""
        return {
            "version": __version__,
            "command": "upscale",
            "model": {
                "name": self.facts.model_name,
                "version": self.facts.model_version,
                "digest": self.facts.model_digest,
                "scale": self.facts.scale,
            },
            "provider": {"requested": self.facts.provider_requested, "actual": self.facts.provider_actual},
            "precision": self.facts.precision,
            "elapsed_s": round(self.elapsed_s, 3),
            "images_per_s": round(self.images_per_s, 3),
            "stages": self.stages.to_json(),
            "counts": {status: self.count(status) for status in ("done", "skipped", "failed")},
            "error": None if self.error is None else str(self.error),
            "files": [_file_json(result) for result in self.files],
        }

    def to_json_text(self) -> str:
        """Return `to_json` as text; ASCII only, so that names in any bytes survive any terminal."""
        return json.dumps(self.to_json(), indent=2) + "\n"

    def summary(self) -> str:
        """Return the closing line: "48 done, 2 skipped, 1 failed in 12.3 s (3.90 photographs a second)"."""
        parts = [f"{self.count(status)} {status}" for status in ("done", "skipped", "failed")]
        if self.count("not-started"):
            parts.append(f"{self.count('not-started')} not started")
        line = f"{', '.join(parts)} in {self.elapsed_s:.1f} s"
        if self.count("done"):
            line += f" ({self.images_per_s:.2f} photographs a second)"
        return line

    def destination(self) -> str | None:
        """Return "written to portraits-x2": the one output, or the folder that all of them share."""
        outputs = [result.output for result in self.files if result.status == "done" and result.output]
        if not outputs:
            return None
        return f"written to {printable(_shared(outputs))}"

    def failures(self) -> Iterator[str]:
        """Yield one line per failed photograph: its reason, and the sentence that names file and remedy."""
        for result in self.files:
            if result.status == "failed":
                yield f"failed [{result.reason}] {escaped(result.message) or printable(result.source)}"

    def notes(self) -> Iterator[str]:
        """Yield one line per kind of loss, with how many photographs it concerns and the first of them."""
        first: dict[str, Path] = {}
        number: Counter[str] = Counter()
        for result in self.files:
            for note in result.notes:
                first.setdefault(note, result.source)
                number[note] += 1
        for note, path in first.items():
            where = (
                printable(path) if number[note] == 1 else f"{number[note]}, the first is {printable(path)}"
            )
            yield f"note: {escaped(note)} ({where})"


def refuse_other_files(path: Path) -> None:
    """Raise UsageError where a report at `path` would replace anything but a report or an empty file.

    So no slip of the hand costs a photograph, a model or a journal.
    """
    name = printable(path)
    if path.name.startswith(".facesr-"):
        raise UsageError(f"--report {name}: names with .facesr- are facesr-cli's own. Choose another name.")
    try:
        is_regular = stat.S_ISREG(path.stat().st_mode)
        start = b""
        if is_regular:
            with path.open("rb") as file:
                start = file.read(_START_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(
            f"--report {name}: cannot be read ({error.strerror}). Choose another name."
        ) from error
    if not is_regular:
        raise UsageError(f"--report {name} is no regular file. For a pipe there is --json.")
    if start and not _REPORT_START.match(start):
        raise UsageError(
            f"--report {name} exists and is no report of facesr-cli. Move it away, or choose another name."
        )


def ignored_lines(ignored: Sequence[Ignored], *, each: bool) -> Iterator[str]:
    """Yield what was passed over: each thing, or one line of numbers."""
    if each:
        for item in ignored:
            yield f"ignored [{item.reason}] {printable(item.path)}"
    elif ignored:
        reasons = Counter(item.reason for item in ignored)
        listed = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
        yield f"{counted(len(ignored), 'other thing')} ignored ({listed}); -v lists them"


def nothing_found() -> str:
    """What to say where INPUT has no photograph at all: a mistyped folder looks like a finished one."""
    return f"No photographs found: directories are searched for {', '.join(sorted(PHOTO_SUFFIXES))}."


def _shared(outputs: Sequence[Path]) -> Path:
    """The only path, or the deepest folder above all of them."""
    if len(outputs) == 1:
        return outputs[0]
    try:
        return Path(os.path.commonpath([output.parent for output in outputs]) or ".")
    except ValueError:  # relative and absolute paths mixed, or several drives
        parents = [output.absolute().parent for output in outputs]
        return Path(os.path.commonpath(parents)) if len({path.drive for path in parents}) == 1 else parents[0]


def _file_json(result: FileResult) -> dict[str, Any]:
    return {
        "source": str(result.source),
        "output": None if result.output is None else str(result.output),
        "status": result.status,
        "reason": result.reason,
        "input_size": None if result.input_size is None else list(result.input_size),
        "output_size": None if result.output_size is None else list(result.output_size),
        "elapsed_s": round(result.elapsed_s, 3),
    }
