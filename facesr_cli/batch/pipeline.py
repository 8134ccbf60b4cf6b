"""Decoding, inference and encoding at the same time, with a bounded number of photographs in memory."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TypeAlias

from facesr_cli.batch.inference import PhotoUpscaler, upscale_each
from facesr_cli.batch.plan import Job
from facesr_cli.batch.report import FileResult, Stages
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
    held_px: int = _HELD_PX

    @property
    def decoding(self) -> int:
        """Photographs that may be ahead of the network."""
        return 2 * self.workers + self.batch_size

    @property
    def encoding(self) -> int:
        """Photographs that may be behind the network."""
        return 2 * self.workers + self.batch_size


class Pipeline:
    """Runs jobs; the thread that calls `run` is the one that runs the network.

    Args:
        upscaler: The network.
        writer: Encodes and writes.
        limits: How much happens at once.
        stopped: Asked before anything new begins; once true, what is being encoded finishes, what is only
            decoded is dropped whole.
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
        self._held_px = 0
        self._decode_s = self._infer_s = self._encode_s = 0.0
        self.error: CapabilityError | None = None
        """Why the network stopped working in the middle; what was behind it is written all the same."""

    @property
    def stages(self) -> Stages:
        """Seconds of work so far, per stage."""
        return Stages(decode_s=self._decode_s, infer_s=self._infer_s, encode_s=self._encode_s)

    def run(self, jobs: Sequence[Job]) -> dict[Job, FileResult]:
        """Run `jobs`; those not started when `stopped` became true, or `error` was set, are left out."""
        decoders = ThreadPoolExecutor(self._limits.workers, thread_name_prefix="decode")
        encoders = ThreadPoolExecutor(self._limits.workers, thread_name_prefix="encode")
        try:
            try:
                self._run(iter(jobs), decoders, encoders)
            except CapabilityError as error:
                self.error = error
            while self._encoding:
                self._take_encoded(at_least_one=True)
        finally:
            decoders.shutdown(wait=True, cancel_futures=True)
            encoders.shutdown(wait=True, cancel_futures=True)
        assert self._stopped() or self.error or len(self._results) == len(jobs)
        return self._results

    def _run(self, todo: Iterator[Job], decoders: ThreadPoolExecutor, encoders: ThreadPoolExecutor) -> None:
        while not self._stopped():
            # In this order: with nothing held any more, decoding begins whatever is left to do, so an
            # empty pipeline behind it means that all is done.
            self._take_encoded()
            self._begin_decoding(todo, decoders)
            if self._decoding:
                self._take_decoded()
                self._begin_decoding(todo, decoders)  # before a batch is called the last one
            elif self._encoding and not self._waiting:
                self._take_encoded(at_least_one=True)  # they hold the memory that the next ones need
            elif not self._waiting:
                break
            for batch in self._ready_batches():
                self._infer(batch, encoders)
                if self._stopped():
                    break

    def _begin_decoding(self, todo: Iterator[Job], pool: ThreadPoolExecutor) -> None:
        while len(self._decoding) < self._limits.decoding:
            for job in itertools.islice(todo, self._limits.decoding - len(self._ahead)):
                self._ahead.append((job, pool.submit(stated_px, job)))
            if not self._ahead:
                return
            job, size = self._ahead[0]
            if self._decoding and not size.done():
                return  # there is something to wait for already
            busy = bool(self._decoding or self._waiting or self._encoding)
            if busy and self._held_px + size.result() > self._limits.held_px:
                return
            self._ahead.popleft()
            self._held_px += size.result()
            self._decoding.append((job, size.result(), pool.submit(decode_stage, job)))

    def _take_decoded(self) -> None:
        job, stated, future = self._decoding.popleft()
        decoded = future.result()
        self._held_px -= stated
        self._decode_s += decoded.elapsed_s
        if isinstance(decoded, FileResult):
            self._finish(job, decoded)
            return
        try:  # now, not after the network has worked on it for minutes
            check_side(_times(decoded.photo.size, self._upscaler.scale), job.file_format)
        except PhotoError as error:
            self._finish(job, failed(job, error, elapsed_s=decoded.elapsed_s, photo=decoded.photo))
            return
        pixels = decoded.photo.width * decoded.photo.height
        self._held_px += pixels
        shape = (decoded.photo.pixels.shape, decoded.photo.pixels.dtype.name)
        self._waiting.setdefault(shape, []).append(decoded)

    def _ready_batches(self) -> Iterable[list[Decoded]]:
        """Yield full batches; and the oldest one, where nothing else is coming or too much waits."""
        for shape in [key for key, batch in self._waiting.items() if len(batch) >= self._limits.batch_size]:
            yield self._waiting.pop(shape)
        while self._waiting and (not self._decoding or self._too_much_waits()):
            yield self._waiting.pop(next(iter(self._waiting)))

    def _too_much_waits(self) -> bool:
        number = sum(len(batch) for batch in self._waiting.values())
        return number > 2 * self._limits.batch_size or self._held_px > self._limits.held_px

    def _infer(self, batch: list[Decoded], pool: ThreadPoolExecutor) -> None:
        while len(self._encoding) >= self._limits.encoding or (
            self._encoding and self._held_px > self._limits.held_px
        ):
            self._take_encoded(at_least_one=True)
        begun_s = time.perf_counter()
        larger = upscale_each(self._upscaler, [decoded.photo.pixels for decoded in batch])
        elapsed_s = time.perf_counter() - begun_s
        self._infer_s += elapsed_s
        for before, result in zip(batch, larger, strict=True):
            decoded = replace(before, elapsed_s=before.elapsed_s + elapsed_s / len(batch))
            if isinstance(result, PhotoError):
                self._held_px -= decoded.photo.width * decoded.photo.height
                failure = failed(decoded.job, result, elapsed_s=decoded.elapsed_s, photo=decoded.photo)
                self._finish(decoded.job, failure)
                continue
            decoded = replace(decoded, photo=decoded.photo.with_notes(result.notes))
            self._encoding[pool.submit(self._writer.encode_stage, decoded, result.pixels)] = decoded

    def _take_encoded(self, *, at_least_one: bool = False) -> None:
        if at_least_one:
            complete = wait(self._encoding, return_when=FIRST_COMPLETED).done
        else:
            complete = {future for future in self._encoding if future.done()}
        for future in complete:
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
