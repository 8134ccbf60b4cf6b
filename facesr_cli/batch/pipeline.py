"""Decoding, inference and encoding at the same time, with a bounded number of photographs in memory."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TypeAlias

from facesr_cli.batch.fleet import Lanes, members_of
from facesr_cli.batch.inference import PhotoUpscaler
from facesr_cli.batch.plan import Job
from facesr_cli.batch.report import FileResult
from facesr_cli.batch.stage_times import Stages
from facesr_cli.batch.stages import Decoded, Writer, decode_stage, failed, stated_px
from facesr_cli.errors import CapabilityError, PhotoError
from facesr_cli.photo import check_side

# Input pixels held at once, from decoding (by the header's word) to encoding; a photograph that exceeds it
# alone goes alone.
# With a 2x network 48 Mpx mean at most 0.15 GB of input and 0.6 GB of output, before temporary copies.
_HELD_PX = 48_000_000

_Shape: TypeAlias = tuple[tuple[int, ...], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much happens at once."""

    workers: int
    """Threads that decode, and as many that encode."""
    batch_size: int
    """Photographs of equal shape per inference."""
    networks: int = 1
    """Inferences that run side by side."""
    held_px: int = _HELD_PX

    @property
    def decoding(self) -> int:
        """Photographs that may be decoded at the same time, or queue for it."""
        return 2 * self.workers + self.networks * self.batch_size

    @property
    def waiting(self) -> int:
        """Decoded photographs that may wait for a network before no further ones are begun.

        One batch for each network and one more, so that mixed shapes find their like.
        """
        return (self.networks + 1) * self.batch_size

    @property
    def encoding(self) -> int:
        """Photographs that may be behind the network."""
        return 2 * self.workers + self.networks * self.batch_size


class Pipeline:
    """Runs jobs: decoding, networks and encoding have threads of their own; the caller's only directs them.

    Args:
        upscaler: The network, or a fleet of them, which then share the work.
        writer: Encodes and writes.
        limits: How much happens at once.
        stopped: Asked before anything new begins; once true, what is with a network or being encoded
            finishes, what is only decoded is dropped whole.
        finished: Told each result as it comes, in the thread of `run`.
    """

    def __init__(
        self,
        upscaler: PhotoUpscaler,
        writer: Writer,
        limits: Limits,
        *,
        stopped: Callable[[], bool],
        finished: Callable[[Job, FileResult], None],
    ) -> None:
        self._upscaler = upscaler
        self._writer = writer
        self._limits = limits
        self._stopped = stopped
        self._finished = finished
        self._results: dict[Job, FileResult] = {}
        self._ahead: deque[tuple[Job, Future[int]]] = deque()
        self._decoding: deque[tuple[Job, int, Future[Decoded | FileResult]]] = deque()
        self._waiting: dict[_Shape, list[Decoded]] = {}
        self._encoding: dict[Future[FileResult], Decoded] = {}
        self._events: SimpleQueue[object] = SimpleQueue()
        self._lanes = Lanes(members_of(upscaler), done=self._events.put)
        self._held_px = 0
        self._elapsed_s = self._decode_s = self._infer_s = self._encode_s = 0.0
        self.error: CapabilityError | None = None
        """Why a network stopped working in the middle; what was behind it is written all the same."""

    @property
    def stages(self) -> Stages:
        """Seconds of work so far, per stage."""
        return Stages(
            decode_s=self._decode_s,
            infer_s=self._infer_s,
            encode_s=self._encode_s,
            elapsed_s=self._elapsed_s,
            decoders=self._limits.workers,
            networks=len(members_of(self._upscaler)),
            encoders=self._limits.workers,
        )

    def run(self, jobs: Sequence[Job]) -> dict[Job, FileResult]:
        """Run `jobs`; those not started when `stopped` became true, or `error` was set, are left out.

        To be called once.
        """
        begun_s = time.perf_counter()
        decoders = ThreadPoolExecutor(self._limits.workers, thread_name_prefix="decode")
        encoders = ThreadPoolExecutor(self._limits.workers, thread_name_prefix="encode")
        try:
            self._run(iter(jobs), decoders, encoders)
            self._take_inferred(encoders)
            self._take_encoded()
            while self._lanes.is_running or self._encoding:
                self._wait()
                self._take_inferred(encoders)
                self._take_encoded()
        finally:
            decoders.shutdown(wait=True, cancel_futures=True)
            self._lanes.close()
            encoders.shutdown(wait=True, cancel_futures=True)
            self._elapsed_s = time.perf_counter() - begun_s
        assert self._stopped() or self.error or len(self._results) == len(jobs)
        return self._results

    def _run(self, todo: Iterator[Job], decoders: ThreadPoolExecutor, encoders: ThreadPoolExecutor) -> None:
        while True:
            # In this order: with nothing held any more, decoding begins whatever is left to do, so an
            # empty pipeline behind it means that all is done.
            self._take_inferred(encoders)
            self._take_encoded()
            if self._stopped() or self.error is not None:
                break
            self._begin_decoding(todo, decoders)
            self._take_decoded()
            self._begin_decoding(todo, decoders)  # before a batch is called the last one
            self._infer_ready()
            if self._stopped() or self.error is not None:
                break  # nothing new begins, so there may be nothing to wait for
            self._begin_decoding(todo, decoders)  # what has gone to a network makes room
            if not (self._decoding or self._waiting or self._lanes.is_running or self._encoding):
                break
            self._wait()

    def _wait(self) -> None:
        """Sleep until a stage has finished something; each does so with one event.

        Whoever calls this looks at every stage afterwards, as one event may stand for several.
        """
        self._events.get()
        while not self._events.empty():
            self._events.get()

    def _begin_decoding(self, todo: Iterator[Job], pool: ThreadPoolExecutor) -> None:
        while len(self._decoding) < self._limits.decoding and self._number_waiting <= self._limits.waiting:
            for job in itertools.islice(todo, self._limits.decoding - len(self._ahead)):
                self._ahead.append((job, pool.submit(stated_px, job)))
            if not self._ahead:
                return
            job, size = self._ahead[0]
            if self._decoding and not size.done():
                return  # there is something to wait for already
            busy = bool(self._decoding or self._waiting or self._lanes.is_running or self._encoding)
            if busy and self._held_px + size.result() > self._limits.held_px:
                return
            self._ahead.popleft()
            self._held_px += size.result()
            future = pool.submit(decode_stage, job)
            self._decoding.append((job, size.result(), future))
            future.add_done_callback(self._events.put)

    def _take_decoded(self) -> None:
        """Take what is decoded, in the order in which it was begun."""
        while self._decoding and self._decoding[0][2].done():
            job, stated, future = self._decoding.popleft()
            decoded = future.result()
            self._held_px -= stated
            self._decode_s += decoded.elapsed_s
            if isinstance(decoded, FileResult):
                self._finish(job, decoded)
                continue
            try:  # now, not after the network has worked on it for minutes
                check_side(_times(decoded.photo.size, self._upscaler.scale), job.file_format)
            except PhotoError as error:
                self._finish(job, failed(job, error, elapsed_s=decoded.elapsed_s, photo=decoded.photo))
                continue
            self._held_px += decoded.photo.width * decoded.photo.height
            shape = (decoded.photo.pixels.shape, decoded.photo.pixels.dtype.name)
            self._waiting.setdefault(shape, []).append(decoded)

    def _infer_ready(self) -> None:
        """Hand batches to free networks, unless what is behind them has to be written first."""
        while self._lanes.is_free and not self._stopped() and not self._too_much_behind():
            batch = self._next_batch()
            if batch is None:
                return
            self._lanes.submit(batch)

    def _too_much_behind(self) -> bool:
        behind = len(self._encoding) + self._lanes.photographs
        return behind >= self._limits.encoding or (behind > 0 and self._held_px > self._limits.held_px)

    def _next_batch(self) -> list[Decoded] | None:
        """Take a full batch; or the oldest one, where nothing else is coming or too much waits."""
        size = self._limits.batch_size
        shape = next((shape for shape, batch in self._waiting.items() if len(batch) >= size), None)
        if shape is None and self._waiting and (not self._decoding or self._too_much_waits()):
            shape = next(iter(self._waiting))
        if shape is None:
            return None
        batch, rest = self._waiting[shape][:size], self._waiting[shape][size:]
        if rest:
            self._waiting[shape] = rest
        else:
            del self._waiting[shape]
        return batch

    def _too_much_waits(self) -> bool:
        return self._number_waiting > self._limits.waiting or self._held_px > self._limits.held_px

    @property
    def _number_waiting(self) -> int:
        return sum(len(batch) for batch in self._waiting.values())

    def _take_inferred(self, pool: ThreadPoolExecutor) -> None:
        for batch, future in self._lanes.take():
            try:
                inferred = future.result()
            except CapabilityError as error:
                self.error = self.error or error
                continue
            self._infer_s += inferred.elapsed_s
            for before, result in zip(batch, inferred.results, strict=True):
                decoded = replace(before, elapsed_s=before.elapsed_s + inferred.elapsed_s / len(batch))
                if isinstance(result, PhotoError):
                    self._held_px -= decoded.photo.width * decoded.photo.height
                    failure = failed(decoded.job, result, elapsed_s=decoded.elapsed_s, photo=decoded.photo)
                    self._finish(decoded.job, failure)
                    continue
                decoded = replace(decoded, photo=decoded.photo.with_notes(result.notes))
                encoding = pool.submit(self._writer.encode_stage, decoded, result.pixels)
                self._encoding[encoding] = decoded
                encoding.add_done_callback(self._events.put)

    def _take_encoded(self) -> None:
        for future in [future for future in self._encoding if future.done()]:
            decoded = self._encoding.pop(future)
            result = future.result()
            self._held_px -= decoded.photo.width * decoded.photo.height
            self._encode_s += result.elapsed_s - decoded.elapsed_s
            self._finish(decoded.job, result)

    def _finish(self, job: Job, result: FileResult) -> None:
        self._results[job] = result
        self._finished(job, result)


def _times(size: tuple[int, int], scale: int) -> tuple[int, int]:
    return size[0] * scale, size[1] * scale
