"""Ctrl-C and SIGTERM: the first one lets photographs in flight finish, the second one ends at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from facesr_cli.batch.atomic import abandon_writes

_FIRST = b"\nInterrupted: photographs in flight are being finished. Once more ends at once.\n"


class Interrupt:
    """A context in which the two signals set `signum` instead of raising.

    Signal handlers belong to the main thread of a process; in any other thread the context does nothing and
    the caller's own handling stays in force.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.signum is None:
            self.signum = signum
            os.write(2, _FIRST)  # not through a stream, which may be in the middle of a line
            return
        abandon_writes()
        os._exit(128 + signum)
