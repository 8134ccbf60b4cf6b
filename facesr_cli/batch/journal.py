"""The journal of an output directory: what was made there, from what, with what; one JSON line each."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Literal

from facesr_cli.batch.atomic import file_error
from facesr_cli.batch.wording import printable
from facesr_cli.errors import CapabilityError

JOURNAL_NAME = ".facesr-journal.jsonl"
JOURNAL_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `writing` comes before the rename and `done` after it.

    So a run that is killed in between leaves an output that the journal knows, by its digest.
    """

    state: Literal["writing", "done"]
    source: str
    """Relative to the journal's directory where that is possible."""
    source_size: int
    """Bytes."""
    source_mtime_ns: int
    model: str
    """Digest of the model file."""
    settings: str
    """`Settings.digest()`."""
    output: str
    """Relative to the journal's directory, forward slashes."""
    output_size: int
    """Bytes."""
    output_sha256: str


class Journal:
    """The journal of one directory: read at once, written line by line from any thread."""

    def __init__(self, root: Path) -> None:
        """Read the journal of `root`, if it has one; nothing is created before the first `append`.

        Raises:
            CapabilityError: A newer version of facesr-cli wrote it, or it cannot be read.
        """
        self.root = root
        self.path = root / JOURNAL_NAME
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._entries, self._ends_torn = _read(self.path)

    def entry(self, output: str) -> Entry | None:
        """Return the last complete line about `output` (its path below the root)."""
        return self._entries.get(output)

    def entries(self) -> dict[str, Entry]:
        """Return the last complete line about each output."""
        return dict(self._entries)

    def source_name(self, source: Path) -> str:
        """Return how this journal names `source`."""
        try:
            return Path(os.path.relpath(source, self.root)).as_posix()
        except ValueError:  # another drive, on Windows
            return str(source.absolute())

    def append(self, entry: Entry) -> None:
        """Add one line, complete or not at all for every later reader.

        Raises:
            WriteFailedError: The line could not be written.
        """
        line = (
            json.dumps({"version": JOURNAL_VERSION, **asdict(entry)}, separators=(",", ":")).encode() + b"\n"
        )
        with self._lock:
            try:
                if self._file is None:
                    self.root.mkdir(parents=True, exist_ok=True)
                    self._file = self.path.open("ab", buffering=0)
                # After a torn line a new one starts on its own, or both would be lost.
                data = b"\n" + line if self._ends_torn else line
                self._ends_torn = True
                if self._file.write(data) != len(data):
                    raise OSError("only a part of the line was written")
                self._ends_torn = False
            except OSError as error:
                raise file_error(self.path, error) from error
            self._entries[entry.output] = entry

    def close(self) -> None:
        """Close the file; harmless when nothing was written."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def _read(path: Path) -> tuple[dict[str, Entry], bool]:
    """Return the entries, and whether the last line lacks its end."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}, False
    except OSError as error:
        raise CapabilityError(f"{printable(path)}: the journal cannot be read ({error.strerror}).") from error
    entries: dict[str, Entry] = {}
    for line in data.split(b"\n"):
        entry = _parse(line, path)
        if entry is not None:
            entries[entry.output] = entry
    return entries, not data.endswith(b"\n") and bool(data)


def _parse(line: bytes, path: Path) -> Entry | None:
    """Return the entry of a line; None for a torn one, whose photograph is then simply done again."""
    try:
        record: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    version = record.pop("version", None)
    if isinstance(version, int) and version > JOURNAL_VERSION:
        raise CapabilityError(
            f"{printable(path)}: the journal has version {version}, this facesr-cli knows {JOURNAL_VERSION}. "
            "Upgrade facesr-cli, or choose another -o."
        )
    if version != JOURNAL_VERSION or set(record) != {field.name for field in fields(Entry)}:
        return None
    if not isinstance(record["output"], str) or not isinstance(record["source"], str):
        return None
    return Entry(**record)
