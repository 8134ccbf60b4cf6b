"""One run at a time per output directory: a lock that the system drops when its process dies."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
from pathlib import Path
from typing import Any

from facesr_cli.batch.atomic import file_error, temporary
from facesr_cli.batch.descriptors import TAKEN, UNSUPPORTED, is_same_file, lock_exclusively
from facesr_cli.batch.wording import printable
from facesr_cli.errors import CapabilityError

LOCK_NAME = ".facesr-lock"


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
        # The directory may have been moved away and another run have made one of its name since.
        mine = is_same_file(self._descriptor, self.path)
        if mine and os.name == "posix":  # while it is locked, so that nobody else's file is removed
            self._unlink()
        os.close(self._descriptor)
        if mine and os.name != "posix":  # open files cannot be removed there, nobody else's either
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
                lock_exclusively(descriptor)
            except OSError as error:
                if error.errno in TAKEN:
                    raise CapabilityError(self._refusal()) from error
                if error.errno not in UNSUPPORTED:
                    raise
                self.supported = False
            mine = is_same_file(descriptor, self.path)
            if mine and os.fstat(descriptor).st_nlink > 1:
                # The file has another name too, in a copy of the directory by links or anywhere else. What
                # is read there is not this lock's to change.
                self.path.unlink()
                mine = False
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
        self._stack.enter_context(temporary(self.path, descriptor))
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
