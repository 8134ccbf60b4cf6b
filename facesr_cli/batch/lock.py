"""One run at a time per output directory: a lock that the system drops when its process dies."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from facesr_cli.batch.atomic import file_error, temporary
from facesr_cli.batch.wording import printable
from facesr_cli.errors import CapabilityError

LOCK_NAME = ".facesr-lock"

# File systems without locks: some network and FUSE ones.
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# Windows locks byte ranges and forbids reading them; this byte is far behind what the file says.
_LOCKED_BYTE = 1 << 30


class DirectoryLock:
    """The lock of one output directory, held from `take` to `release`.

    The file `.facesr-lock` only says who holds it. The lock itself belongs to the process: one that was
    killed leaves the file, but no lock, and the next run takes over.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / LOCK_NAME
        self.supported = True
        """False where the file system knows no locks, so that nothing keeps a second run away."""
        self._stack = contextlib.ExitStack()
        self._descriptor: int | None = None
        self._created: list[Path] = []

    def take(self) -> None:
        """Create the directory if need be, and lock it.

        Raises:
            CapabilityError: Another process writes there; the message names it.
            WriteFailedError: The directory cannot be created or written.
        """
        try:
            self._created = [path for path in (self.root, *self.root.parents) if not path.exists()]
            self.root.mkdir(parents=True, exist_ok=True)
            while not self._try():
                pass
        except OSError as error:
            self._remove_directories()
            raise file_error(self.path, error) from error

    def release(self) -> None:
        """Give the lock back and remove its file, and the directory if it was created for nothing."""
        if self._descriptor is None:
            return
        if os.name == "posix":  # while it is locked, so that nobody else's file is removed
            self._unlink()
        os.close(self._descriptor)
        if os.name != "posix":  # open files cannot be removed there, so that nobody else's file is removed
            self._unlink()
        self._descriptor = None
        self._stack.close()
        self._remove_directories()

    def _try(self) -> bool:
        """Lock the file that has the name now; False where it lost its name in the meantime."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.path, flags, 0o666)
        mine = False
        try:
            try:
                _lock(descriptor)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                    raise CapabilityError(self._refusal()) from error
                if error.errno not in _UNSUPPORTED:
                    raise
                self.supported = False
            mine = _is_same_file(descriptor, self.path)
            if mine:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, _owner())
        except BaseException:
            if mine:
                self._unlink()
            os.close(descriptor)
            raise
        if not mine:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self._stack.enter_context(temporary(self.path))
        return True

    def _refusal(self) -> str:
        who = "another run"
        with contextlib.suppress(OSError, ValueError):
            owner: Any = json.loads(self.path.read_bytes())
            if isinstance(owner, dict):
                pid, host, since = (owner.get(key) for key in ("pid", "host", "since"))
                who = f"another run (process {pid} on {host}, since {since})"
        return (
            f"{printable(self.root)}: {who} is writing here. Nothing has been started: wait for it to "
            "end, or choose another -o."
        )

    def _unlink(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _remove_directories(self) -> None:
        """Remove directories that `take` created and that have stayed empty."""
        with contextlib.suppress(OSError):
            for path in self._created:
                path.rmdir()
        self._created = []


def _owner() -> bytes:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}).encode() + b"\n"


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        """Lock without waiting; OSError where another handle has it."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        """Lock without waiting; OSError where another open file has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
