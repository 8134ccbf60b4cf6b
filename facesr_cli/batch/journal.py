"""The journal of an output directory: what was made there, from what, with what; one JSON line each."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

from facesr_cli.batch.atomic import file_error, write_atomically
from facesr_cli.batch.wording import printable
from facesr_cli.errors import CapabilityError, WriteFailedError

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
        """Read the journal of `root`, if it has one; nothing is created before `open` or `append`.

        Raises:
            CapabilityError: A newer version of facesr-cli wrote it, it is no file, or it cannot be read.
        """
        self.root = root
        self.path = root / JOURNAL_NAME
        self._real_root = os.path.realpath(root)
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._stamp = _stamp(self.path)
        self._entries, self._ends_torn = _read(self.path)

    def is_stale(self) -> bool:
        """Return whether another process has written to the file since it was read."""
        return _stamp(self.path) != self._stamp

    def open(self) -> None:
        """Create or open the file, so that its directory is known to be the one that outputs belong to.

        Raises:
            WriteFailedError: It cannot be written.
        """
        with self._lock:
            self._open()

    def entry(self, output: str) -> Entry | None:
        """Return the last complete line about `output` (its path below the root)."""
        return self._entries.get(output)

    def entries(self) -> dict[str, Entry]:
        """Return the last complete line about each output."""
        return dict(self._entries)

    def confirm(self, output: str) -> None:
        """Take an output that is known to be whole for `done`, whatever the last line about it says."""
        self._entries[output] = replace(self._entries[output], state="done")

    def restore(self, output: str, entry: Entry | None) -> None:
        """Go back to an earlier entry, or none, for an output that was not written after all."""
        with self._lock:
            if entry is None:
                self._entries.pop(output, None)
            else:
                self._entries[output] = entry

    def source_name(self, source: Path) -> str:
        """Return how this journal names `source`, whichever links lead to the two directories."""
        place = Path(os.path.realpath(source.parent)) / source.name
        try:
            return Path(os.path.relpath(place, self._real_root)).as_posix()
        except ValueError:  # another drive, on Windows
            return str(source.absolute())

    def append(self, entry: Entry) -> None:
        """Add one line, complete or not at all for every later reader.

        `writing` also waits for the disk: after a power cut no output may be there that the journal does not
        know.

        Raises:
            WriteFailedError: The line could not be written; `output-lost` where the directory is gone.
        """
        line = _line(entry)
        with self._lock:
            file = self._open()
            if not self._is_in_place():
                raise WriteFailedError(
                    "output-lost",
                    f"{printable(self.root)}: the directory, or the journal in it, was moved or deleted "
                    "while outputs were written to it. Run the command again.",
                )
            try:
                # After a torn line a new one starts on its own, or both would be lost.
                data = b"\n" + line if self._ends_torn else line
                self._ends_torn = True
                if file.write(data) != len(data):
                    raise OSError("only a part of the line was written")
                self._ends_torn = False
            except OSError as error:
                raise file_error(self.path, error) from error
            self._entries[entry.output] = entry
        if entry.state == "writing":
            try:  # without the lock: several threads may wait for the disk together
                os.fsync(file.fileno())
            except OSError as error:
                raise file_error(self.path, error) from error

    def close(self) -> None:
        """Close the file, one sorted line per output in it; harmless when nothing was written.

        So a run that was interrupted and continued ends with the same journal as one that was not. Where the
        disk has no room for that, the longer journal stays, which says the same.
        """
        with self._lock:
            if self._file is None:
                return
            in_place = self._is_in_place()
            self._file.close()
            self._file = None
            if not in_place:
                return
            with contextlib.suppress(OSError, WriteFailedError):
                if self._entries:
                    lines = [_line(self._entries[output]) for output in sorted(self._entries)]
                    write_atomically(self.path, b"".join(lines), durable=True)
                else:
                    self.path.unlink()

    def _open(self) -> BinaryIO:
        if self._file is None:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                if _has_other_names(self.path):
                    # In a copy of the directory by links, say, which tells of other outputs from now on.
                    write_atomically(self.path, self.path.read_bytes(), durable=True)
                self._file = self.path.open("ab", buffering=0)
            except OSError as error:
                raise file_error(self.path, error) from error
        return self._file

    def _is_in_place(self) -> bool:
        """Return whether the open file is still the one that the directory shows."""
        assert self._file is not None
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.lstat(self.path))
        except OSError:
            return False


def _line(entry: Entry) -> bytes:
    record = {"version": JOURNAL_VERSION, **asdict(entry)}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _has_other_names(path: Path) -> bool:
    try:
        return path.lstat().st_nlink > 1
    except FileNotFoundError:
        return False


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _read(path: Path) -> tuple[dict[str, Entry], bool]:
    """Return the entries, and whether the last line lacks its end."""
    try:
        # Not through a link, which could lead out of the directory, nor from a pipe, which could block.
        if not stat.S_ISREG(path.lstat().st_mode):
            raise CapabilityError(f"{printable(path)}: is no regular file. Remove it, or choose another -o.")
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
    except (ValueError, RecursionError):
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
