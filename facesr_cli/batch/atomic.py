"""Writing a file so that its name only ever stands for all of its bytes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from facesr_cli.batch.wording import printable
from facesr_cli.errors import WriteFailedError

_PART_NAME = re.compile(r"\.facesr-[0-9a-f]{16}\.part")

_temporary: set[Path] = set()


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
        with temporary(part):
            with _create(part) as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(part, path)
        if durable:
            _sync_directory(path.parent)
    except OSError as error:
        raise file_error(path, error) from error


@contextlib.contextmanager
def temporary(path: Path) -> Iterator[None]:
    """Remove `path` where the body raises, or where the process ends by `abandon` before it is through."""
    _temporary.add(path)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise
    finally:
        _temporary.discard(path)


def part_path(path: Path) -> Path:
    """Return the temporary name for `path`.

    It depends on the name only: a run that was killed leaves at most one such file per output. Hashed,
    because a name of 255 bytes has no room for a suffix.
    """
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return path.with_name(f".facesr-{digest}.part")


def sweep_parts(directories: Iterable[Path]) -> None:
    """Remove what a killed run left half-written; only for directories that nobody else writes to.

    Directories that cannot be listed, or files that cannot be removed, fail by name when they are written.
    """
    for directory in directories:
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):
                if _PART_NAME.fullmatch(name):
                    (directory / name).unlink(missing_ok=True)


def is_writable(directory: Path) -> bool:
    """Return whether a file can be created in `directory`, found out by creating one."""
    probe = part_path(directory / "probe")
    try:
        with temporary(probe):
            _create(probe).close()
            probe.unlink()
    except OSError:
        return False
    return True


def abandon() -> None:
    """Remove every temporary file of this process, which is about to end at once."""
    for path in list(_temporary):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


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


def _create(part: Path) -> io.BufferedWriter:
    """Open a new file. What has its name is removed, not followed: a link could lead elsewhere."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(part, flags, 0o666)
    except FileExistsError:
        part.unlink()
        descriptor = os.open(part, flags, 0o666)
    return open(descriptor, "wb")


def _sync_directory(directory: Path) -> None:
    """Wait until the disk knows the names in `directory`; on Windows a rename needs no such help.

    Network file systems that cannot do that, and directories that may be written but not listed, are left to
    their own order of things.
    """
    if os.name != "posix":
        return
    try:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES):
            raise
