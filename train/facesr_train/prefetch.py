"""Batches made ahead: while a step runs, a thread makes the next ones on a CUDA stream of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

Request = tuple[int, int, int]
"""Step, number of crops, side of a crop."""


class Batches(Protocol):
    """Where the loop takes its batches from, see `crops.PairSource.batch`."""

    def batch(self, step: int, size: int, hr_crop_px: int) -> tuple[Tensor, Tensor]:
        """Low and high resolution of one step."""
        ...


class Prefetch:
    """The batches of another source, a pure function of the request, made before they are asked for.

    It guesses that the next steps want batches of the same size; what it guessed wrong is dropped. An error
    in the thread is raised where its batch is asked for.
    """

    def __init__(self, source: Batches, device: torch.device, *, ahead: int = 3) -> None:
        """Start the thread.

        Args:
            source: Makes the batches; nobody else may use it meanwhile.
            device: Where it makes them; on a CPU there is no stream, and the thread takes time from the step.
            ahead: Batches that are made or being made beyond the one that was asked for last.
        """
        self._source, self._device, self._ahead = source, device, ahead
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._stream.wait_stream(
                torch.cuda.current_stream(device)
            )  # the photographs are still on their way
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._made: dict[Request, Future[tuple[Tensor, Tensor, torch.cuda.Event | None]]] = {}

    def batch(self, step: int, size: int, hr_crop_px: int) -> tuple[Tensor, Tensor]:
        """The batch, ready to be used on the current stream; the host does not wait for the device."""
        wanted = [(step + ahead, size, hr_crop_px) for ahead in range(self._ahead + 1)]
        for request in set(self._made) - set(wanted):
            self._made.pop(request).cancel()
        for request in wanted:
            if request not in self._made:
                self._made[request] = self._thread.submit(self._make, request)
        lr, hr, done = self._made.pop(wanted[0]).result()
        if done is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(done)
            for tensor in (lr, hr):
                tensor.record_stream(
                    stream
                )  # else its memory could be given to a batch while a step reads it
        return lr, hr

    def close(self) -> None:
        """Drop what is waiting and stop the thread."""
        self._made.clear()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _make(self, request: Request) -> tuple[Tensor, Tensor, torch.cuda.Event | None]:
        side: AbstractContextManager[object] = nullcontext()
        if self._stream is not None:
            side = torch.cuda.stream(self._stream)
        with side:
            lr, hr = self._source.batch(*request)
            return lr, hr, None if self._stream is None else self._stream.record_event()


@contextmanager
def prefetched(source: Batches, device: torch.device) -> Iterator[Batches]:
    """`source` with batches made ahead on a GPU; as it is on a CPU, where a thread would slow the step."""
    if device.type != "cuda":
        yield source
        return
    ahead = Prefetch(source, device)
    try:
        yield ahead
    finally:
        ahead.close()
