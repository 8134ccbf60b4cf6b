"""The pipeline around a network that takes no time: what decoding, encoding, journal and files cost together.

Photographs of `_TINY_PX` have next to no pixels, so that what is left is Python and the system; at the size
of `--size` decoding and encoding come on top.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cpu.choices import worker_counts
from benchmarks.cpu.options import Figures, Options, Say
from benchmarks.photographs import photograph, write_jpegs
from facesr_cli.batch.run import run_batch
from facesr_cli.batch.settings import Settings
from facesr_cli.errors import UpscaleFailedError
from facesr_cli.model.upscaler import Upscaler

_TINY_PX = 64
_PHOTOGRAPHS_PER_IMAGE = 25
"""Photographs of a run for each of `--images`: they are done quickly."""


def measure(options: Options, say: Say) -> Figures:
    """Measure both sizes by number of workers."""
    rows = []
    with Upscaler(options.models[0], provider="cpu") as upscaler:
        for size_px in dict.fromkeys((_TINY_PX, options.size_px)):
            for workers in worker_counts():
                say(f"overhead: {size_px}x{size_px} px, {workers} workers")
                rows.append(_row(upscaler, size_px, workers, _PHOTOGRAPHS_PER_IMAGE * options.images))
    return {"rows": rows}


def lines(figures: Figures) -> list[str]:
    """Return the table as text."""
    return [
        f"{row['size_px']}x{row['size_px']} px, --workers {row['workers']}: "
        f"{row['images_per_s']:.0f} photographs/s, {1000 * row['cpu_s']:.2f} ms of processor time each"
        for row in figures["rows"]
    ]


class _Instant:
    """An open `Upscaler` whose pictures are made already."""

    def __init__(self, upscaler: Upscaler, larger: NDArray[np.uint8]) -> None:
        self._upscaler = upscaler
        self._larger = larger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._upscaler, name)

    def upscale_batch(self, images: Sequence[NDArray[Any]]) -> list[NDArray[np.uint8]]:
        """The same enlargement for each."""
        return [self._larger for _ in images]

    def close(self) -> None:
        """Leave it open."""


def _row(upscaler: Upscaler, size_px: int, workers: int, images: int) -> dict[str, Any]:
    large_px = upscaler.scale * size_px
    instant: Any = _Instant(upscaler, photograph(large_px, large_px))
    with tempfile.TemporaryDirectory(prefix="facesr-overhead-") as folder:
        inputs = Path(folder) / "in"
        write_jpegs(inputs, images, size_px)
        settings = Settings(inputs=(inputs,), out=Path(folder) / "out", workers=workers)
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        report = run_batch(settings, upscaler_factory=lambda _: instant)
        elapsed_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    if report.signal is not None:
        raise KeyboardInterrupt
    if report.error is not None:
        raise report.error
    if report.count("done") != images:
        failure = next(iter(report.failures()), "a photograph was left out")
        raise UpscaleFailedError("inference-failed", f"the pipeline did not finish: {failure}")
    return {
        "size_px": size_px,
        "workers": workers,
        "images": images,
        "images_per_s": images / elapsed_s,
        "cpu_s": cpu_s / images,
    }
