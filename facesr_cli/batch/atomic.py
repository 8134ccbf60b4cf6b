"""Writing a file so that its name only ever stands for all of its bytes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from pathlib import Path

from facesr_cli.batch.wording import printable
from facesr_cli.errors import WriteFailedError

_in_progress: set[Path] = set()


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write `data` to `path`: a temporary file in the same directory, then a rename; parents are created.

    Args:
        path: What exists there is replaced in one step, or untouched where anything fails.
        data: The whole file.
        durable: Also wait until the disk has the bytes, against power cuts.

    Raises:
        WriteFailedError: `disk-full`, `write-no-permission` or `write-failed`; no temporary file is left.
    """
    part = part_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _in_progress.add(part)
        try:
            with part.open("wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        finally:
            _in_progress.discard(part)
    except OSError as error:
        raise file_error(path, error) from error


def part_path(path: Path) -> Path:
    """Return the temporary name for `path`.

    It depends on the name only: a run that was killed leaves at most one such file per output, and the run
    that redoes the output takes it over. Hashed, because a name of 255 bytes has no room for a suffix.
    """
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return path.with_name(f".facesr-{digest}.part")


def abandon_writes() -> None:
    """Remove temporary files that are being written; for a process that is about to end at once."""
    for part in list(_in_progress):
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def file_error(path: Path, error: OSError) -> WriteFailedError:
    """Return the typed error for what the system said while `path` was written."""
    name = printable(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WriteFailedError(
            "disk-full", f"{name}: the disk is full. Make room and run the command again."
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return WriteFailedError(
            "write-no-permission", f"{name}: this user may not write here. Choose another -o."
        )
    return WriteFailedError("write-failed", f"{name}: cannot be written ({error.strerror or error}).")
