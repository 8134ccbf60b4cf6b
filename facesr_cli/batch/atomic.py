"""Writing a file so that its name only ever stands for all of its bytes."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from facesr_cli.batch.descriptors import TAKEN, UNSUPPORTED, is_same_file, lock_exclusively
from facesr_cli.batch.wording import printable
from facesr_cli.errors import WriteFailedError

_PART_NAME = re.compile(r"\.facesr-[0-9a-f]{16}\.part")

_temporary: dict[Path, os.stat_result] = {}


def write_atomically(
    path: Path, data: bytes, *, durable: bool = False, replace: bool = True, as_private_as: int | None = None
) -> None:
    """Write `data` to `path`: a temporary file in the same directory, then a rename.

    Args:
        path: What exists there is replaced in one step, or untouched where anything fails. Its directory
            exists.
        data: The whole file.
        durable: Also wait until the disk has the bytes, against power cuts.
        replace: False where nothing may be there; what is there then stays.
        as_private_as: Mode of a file; whom that does not let read, this one does not either.

    Raises:
        WriteFailedError: `exists-unknown` (only without `replace`), `disk-full`, `write-no-permission` or
            `write-failed`; no temporary file is left.
    """
    try:
        with _new_part(path.parent) as (part, file):
            if as_private_as is not None:
                _restrict(file.fileno(), as_private_as)
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
            if not is_same_file(file.fileno(), part):
                raise FileNotFoundError(errno.ENOENT, "its temporary file was taken away")
            if os.name != "posix":  # open files cannot be renamed there, nor removed by anyone else
                file.close()
            if replace:
                os.replace(part, path)
            else:
                _rename_to_new(part, path)
        if durable:
            _sync_directory(path.parent)
    except FileExistsError as error:
        raise WriteFailedError(
            "exists-unknown",
            f"{printable(path)} has appeared during the run, and facesr-cli did not make it. Move it away, "
            "or use --existing overwrite or skip.",
        ) from error
    except OSError as error:
        raise file_error(path, error) from error


def make_directories(directory: Path, *, below: Path) -> None:
    """Create `directory` and what lacks between it and `below`, but never `below` itself.

    Raises:
        WriteFailedError: `write-no-permission` or `write-failed`, also where `below` is gone.
    """
    try:
        place = below
        for name in Path(os.path.relpath(directory, below)).parts:
            place = place / name
            if not place.is_dir():
                place.mkdir(exist_ok=True)
    except OSError as error:
        raise file_error(directory, error) from error


@contextlib.contextmanager
def temporary(path: Path, descriptor: int) -> Iterator[None]:
    """Remove `path` where the body raises, or where the process ends by `abandon` before it is through.

    Args:
        path: The file.
        descriptor: Of the file. What else has its name by then, another process made, and it stays.
    """
    status = _temporary[path] = os.fstat(descriptor)
    try:
        yield
    except BaseException:
        _remove(path, status)
        raise
    finally:
        _temporary.pop(path, None)


def sweep_parts(directories: Iterable[Path]) -> None:
    """Remove what killed runs left half-written; what a living process writes is locked and stays.

    File systems without locks cannot tell the two apart. There a living process fails by name, because it
    looks for its file before the rename. Directories that cannot be listed, or files that cannot be removed,
    fail by name when they are written.
    """
    for directory in directories:
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):
                if _PART_NAME.fullmatch(name):
                    with contextlib.suppress(OSError):
                        _sweep(directory / name)


def is_writable(directory: Path) -> bool:
    """Return whether a file can be created in `directory`, found out by creating one."""
    try:
        with _new_part(directory):
            pass
    except OSError:
        return False
    return True


def abandon() -> None:
    """Remove every temporary file of this process, which is about to end at once."""
    for path, status in list(_temporary.items()):
        _remove(path, status)


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


@contextlib.contextmanager
def _new_part(directory: Path) -> Iterator[tuple[Path, io.BufferedWriter]]:
    """Create a file of a new name, open and locked, and remove what still has that name at the end."""
    part, descriptor = _create(directory)
    with open(descriptor, "wb") as file, contextlib.ExitStack() as stack:
        status = os.fstat(descriptor)
        stack.callback(_remove, part, status)
        if os.name != "posix":  # open files cannot be removed there, so it is closed before
            stack.callback(file.close)
        with temporary(part, descriptor):
            yield part, file


def _restrict(descriptor: int, mode: int) -> None:
    """Take from group and others what `mode` does not give them, where the file system has modes."""
    if os.name == "posix":
        allowed = stat.S_IMODE(os.fstat(descriptor).st_mode) & (mode | stat.S_IRWXU)
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, allowed)


def _create(directory: Path) -> tuple[Path, int]:
    """Return a new file that no other process knows or sweeps away."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        part = directory / f".facesr-{secrets.token_hex(8)}.part"
        try:
            descriptor = os.open(part, flags, 0o666)
        except FileExistsError:
            continue
        if os.name != "posix":
            return part, descriptor  # being open keeps it
        try:
            lock_exclusively(descriptor)
            mine = is_same_file(descriptor, part)
        except OSError as error:  # no locks there, or a sweeper has it in this very moment
            mine = error.errno not in TAKEN
        if mine:
            return part, descriptor
        os.close(descriptor)


def _sweep(part: Path) -> None:
    """Remove a temporary file that no living process has."""
    if os.name != "posix":
        part.unlink()  # fails where it is open
        return
    descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        try:
            lock_exclusively(descriptor)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                return
        part.unlink()
    finally:
        os.close(descriptor)


def _rename_to_new(part: Path, path: Path) -> None:
    """Give `part` the name `path`; FileExistsError where something has it."""
    if os.name != "posix":
        os.rename(part, path)  # refuses there
        return
    try:
        os.link(part, path)  # unlike a rename it refuses
    except FileExistsError:
        raise
    except OSError as error:  # no links there (FAT, some network and FUSE ones): the next best
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        os.replace(part, path)


def _remove(path: Path, status: os.stat_result) -> None:
    """Remove the file that `status` tells of, where it still has that name."""
    with contextlib.suppress(OSError):
        if os.path.samestat(status, path.lstat()):
            path.unlink()


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
