"""Open files as the system sees them: exclusive locks, identity, and how many there may be."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

from facesr_cli.errors import CapabilityError

# File systems without locks: some network and FUSE ones.
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# Somebody else has the lock.
TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

# Windows locks byte ranges and forbids reading them; this byte is far behind what the file says.
_LOCKED_BYTE = 1 << 30
# An output directory holds its lock file and its journal.
_PER_DIRECTORY = 2
# Photographs being read and written, the network, standard streams.
_OTHERS = 128


def is_same_file(descriptor: int, path: Path) -> bool:
    """Return whether `path` itself, not what it may link to, is the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def make_room(directories: int) -> None:
    """Let this process hold the files of that many output directories open.

    Raises:
        CapabilityError: The system does not allow so many.
    """
    needed = directories * _PER_DIRECTORY + _OTHERS
    limit = _raise_limit(needed)
    if limit < needed:
        raise CapabilityError(
            f"{directories} output directories need {needed} open files, and the system allows {limit}. "
            "Name one directory for all outputs with -o, give fewer inputs at once, or raise the limit "
            "(ulimit -Hn)."
        )


if sys.platform == "win32":
    import msvcrt

    def lock_exclusively(descriptor: int) -> None:
        """Lock without waiting; OSError where another handle has it."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

    def _raise_limit(_needed: int) -> int:
        return 8192  # of the C runtime, fixed
else:
    import fcntl
    import resource

    def lock_exclusively(descriptor: int) -> None:
        """Lock without waiting; OSError where another open file has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _raise_limit(needed: int) -> int:
        """Raise the soft limit where that is necessary and allowed; return what it is then."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return needed
        if soft < needed:
            wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            # macOS refuses more than the kernel's own limit, which is below an infinite hard one.
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                soft = wanted
        return soft
