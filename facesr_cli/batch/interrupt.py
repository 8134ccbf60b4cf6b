"""Ctrl-C and SIGTERM: the first one lets photographs in flight finish, the second one ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from facesr_cli.batch.atomic import abandon

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FIRST = b"\nInterrupted: photographs in flight are being finished. Once more ends at once.\n"


class PlanInterruptedError(Exception):
    """A plan was given up because of a signal, before any photograph was begun."""


class Interrupt:
    """A context in which the two signals set `signum` instead of raising.

    Python runs signal handlers between two steps of its main thread, which may sit in an inference for many
    seconds. So the signals are read by a thread of their own, from the descriptor that Python writes them to
    the moment they arrive.

    Signal handlers belong to the main thread of a process; in any other thread the context does nothing and
    the caller's own handling stays in force. So does it where a signal is ignored, as shells
    arrange it for `&`.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._handlers: dict[int, Any] = {}
        self._descriptor = -1
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            reader, writer = self._sockets = socket.socketpair()
            writer.setblocking(False)  # demanded by set_wakeup_fd
            self._watcher = threading.Thread(target=self._watch, args=(reader,), daemon=True)
            self._watcher.start()
            self._descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            for signum in _SIGNALS:
                if signal.getsignal(signum) is not signal.SIG_IGN:
                    self._handlers[signum] = signal.signal(signum, _ignore)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sockets is None or self._watcher is None:
            return
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._descriptor)
        reader, writer = self._sockets
        writer.close()  # the watcher reads what is left, then the end
        self._watcher.join()
        reader.close()

    def _watch(self, reader: socket.socket) -> None:
        while received := reader.recv(64):
            for signum in received:
                if signum in self._handlers:  # other signals with a handler arrive here too
                    self._take(signum)

    def _take(self, signum: int) -> None:
        if self.signum is None:
            self.signum = signum
            if sys.__stderr__ is not None:  # else the number may belong to any file
                with contextlib.suppress(OSError):  # its reader may have gone at the same Ctrl-C
                    os.write(2, _FIRST)  # not through a stream, which may be in the middle of a line
            return
        abandon()
        os._exit(128 + signum)


def _ignore(_signum: int, _frame: FrameType | None) -> None:
    """Stand in the place of the default handlers, which would end the process or raise."""
