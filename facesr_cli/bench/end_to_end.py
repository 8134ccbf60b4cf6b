"""End to end: the pipeline of `upscale` on a folder, beside what each of its stages does alone."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from facesr_cli.batch.fleet import Fleet
from facesr_cli.batch.inference import PhotoUpscaler
from facesr_cli.batch.run import run_batch, workers_of
from facesr_cli.batch.settings import Settings
from facesr_cli.errors import CapabilityError, UpscaleFailedError
from facesr_cli.model.hardware import usable_cpus
from facesr_cli.model.tuning import Tuning
from facesr_cli.photo.decode import decode
from facesr_cli.photo.encode import encode
from facesr_cli.photo.formats import FileFormat
from facesr_cli.photo.photograph import Photo

TARGET_S = 8.0
"""The folder has as many photographs as the network alone does in so long, within the two limits below."""
FEWEST = 16
MOST = 1024

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndToEnd:
    """What the pipeline reached, JPEG files to JPEG files."""

    images: int
    images_per_s: float
    """Of the whole run: planning, journal and writing included, opening the network not."""
    median_s: float
    p95_s: float
    """Seconds of work on one photograph in that run: decoding, its part of a batch, encoding and writing,
    while other photographs are in the other stages; waiting between stages is left out."""
    workers: int
    """Threads that decode, and as many that encode."""
    sessions: int = 1
    """Of the network, which work at the same time."""
    cores_busy: float
    """Processor time of this process over elapsed time and usable CPUs: near 1, the CPU is the limit."""
    alone_per_s: dict[str, float]
    """Photographs per second that `decode`, `inference` and `encode` reach with nothing else beside them."""

    @property
    def busiest(self) -> str:
        """The stage that does least alone: no pipeline can be faster than it."""
        return min(self.alone_per_s, key=lambda stage: self.alone_per_s[stage])

    @property
    def share_of_busiest(self) -> float:
        """Rate of the pipeline over that of its busiest stage alone; 1 is the most there is."""
        return self.images_per_s / self.alone_per_s[self.busiest]


def measure_end_to_end(
    upscaler: Any,
    files: Sequence[Path],
    folder: Path,
    *,
    forward_per_s: float,
    open_another: Callable[[], Any] | None = None,
) -> EndToEnd:
    """Run the pipeline of `upscale` over copies of `files`, then decoding and encoding alone.

    Args:
        upscaler: An open and warm `Upscaler`; it stays open.
        files: JPEG files of one size, at least one.
        folder: An empty folder for inputs and outputs.
        forward_per_s: Photographs per second of the network alone, in one session.
        open_another: Opens the same network once more, for providers on which `upscale` has several sessions
            for a device; None: one session, whatever the provider. Where there is no room for another,
            `EndToEnd.sessions` says so.

    Raises:
        UpscaleFailedError: A photograph failed.
        KeyboardInterrupt: Ctrl-C came in between.
    """
    number = min(MOST, max(FEWEST, round(TARGET_S * forward_per_s)))
    inputs = folder / "in"
    inputs.mkdir(parents=True)
    data = [path.read_bytes() for path in files]
    for index in range(number):
        (inputs / f"{index:05d}.jpg").write_bytes(data[index % len(data)])
    settings = Settings(inputs=(inputs,), out=folder / "out")
    photos = [decode(path) for path in files]
    with contextlib.ExitStack() as stack:
        others = [] if open_another is None else _others(upscaler, open_another)
        for other in others:
            stack.callback(other.close)
        members = tuple(cast(PhotoUpscaler, _KeptOpen(each)) for each in (upscaler, *others))
        if others:
            forward_per_s = _together_per_s(members, photos[0].pixels, number)
        network = members[0] if len(members) == 1 else Fleet(members)
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        report = run_batch(settings, upscaler_factory=lambda _: network)
    cores_busy = (time.process_time() - begun_cpu_s) / (time.perf_counter() - begun_s) / usable_cpus()
    if report.signal is not None:
        if report.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(report.exit_code)
    if report.error is not None:
        raise report.error
    if report.count("done") != number:
        failure = next(iter(report.failures()), "a photograph was left out")
        raise UpscaleFailedError("inference-failed", f"the pipeline did not finish: {failure}")
    workers = workers_of(settings)
    taken_s = [result.elapsed_s for result in report.files]
    larger = upscaler.upscale_batch([photos[0].pixels])[0]
    enlarged = dataclasses.replace(photos[0], pixels=larger, alpha=None, residual=None)
    return EndToEnd(
        images=number,
        images_per_s=report.images_per_s,
        median_s=float(np.median(taken_s)),
        p95_s=float(np.percentile(taken_s, 95)),
        workers=workers,
        sessions=len(members),
        cores_busy=cores_busy,
        alone_per_s={
            "decode": _pool_per_s(decode, [files[index % len(files)] for index in range(number)], workers),
            "inference": forward_per_s,
            "encode": _pool_per_s(_encode, [enlarged] * number, workers),
        },
    )


def _others(upscaler: Any, open_another: Callable[[], Any]) -> list[Any]:
    """The sessions that `upscale` would have beside `upscaler`, as far as there is room for them."""
    others: list[Any] = []
    wanted = (upscaler.provider.key, upscaler.provider.precision)
    for _ in range(Tuning().sessions_on(upscaler.provider.key) - 1):
        try:
            other = open_another()
        except CapabilityError:
            break
        if (other.provider.key, other.provider.precision) != wanted:  # `auto` went on to another provider
            other.close()
            break
        others.append(other)
    return others


def _together_per_s(members: Sequence[PhotoUpscaler], pixels: Any, number: int) -> float:
    """Photographs per second of several sessions at the same time, without the pipeline."""

    def work(member: PhotoUpscaler, batches: int) -> int:
        for _ in range(batches):
            member.upscale_batch([pixels] * member.batch_size)
        return batches * member.batch_size

    with ThreadPoolExecutor(len(members)) as pool:
        list(pool.map(work, members, [1] * len(members)))  # warm
        each = max(1, number // sum(member.batch_size for member in members))
        begun_s = time.perf_counter()
        done = sum(pool.map(work, members, [each] * len(members)))
        return done / (time.perf_counter() - begun_s)


class _KeptOpen:
    """An upscaler that the run cannot close, because it is measured once more."""

    def __init__(self, upscaler: Any) -> None:
        self._upscaler = upscaler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._upscaler, name)

    def close(self) -> None:
        """Leave it open."""


def _encode(photo: Photo) -> bytes:
    return encode(photo, file_format=FileFormat.JPEG)


def _pool_per_s(function: Callable[[_Item], object], items: Iterable[_Item], workers: int) -> float:
    todo = list(items)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(function, todo[:workers]))  # starts the threads
        begun_s = time.perf_counter()
        for _ in pool.map(function, todo):
            pass
        return len(todo) / (time.perf_counter() - begun_s)
