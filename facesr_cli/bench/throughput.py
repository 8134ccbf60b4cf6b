"""How fast: decode, inference and encode of the same photographs one after another, warm-up left out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_cli.bench.end_to_end import EndToEnd
from facesr_cli.photo.decode import decode
from facesr_cli.photo.encode import encode
from facesr_cli.photo.formats import FileFormat
from facesr_cli.photo.photograph import Photo, Samples

RUNS = 16
"""Photographs measured per model; fewer files than that are used several times."""

_BATCHES = 4
_INPUT_QUALITY = 95


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """Seconds that one stage takes per photograph."""

    median_s: float
    p95_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """What the network computes, beside what the machine can."""

    gflop: float
    """10^9 operations for one photograph."""
    gflop_per_s: float
    """Reached by the network alone."""
    limit_gflop_per_s: float
    """Of one large 3x3 convolution in the same runtime."""
    limit_convolution: str
    gbyte: float
    """10^9 bytes that one photograph moves at least."""
    limit_gbyte_per_s: float
    """Of one large copy in the same runtime."""

    @property
    def share_of_limit(self) -> float:
        """Arithmetic rate of the network over that of the convolution."""
        return self.gflop_per_s / self.limit_gflop_per_s

    @property
    def bound_by(self) -> str:
        """`arithmetic` or `memory`: which of the two takes the machine longer at its best."""
        memory_s = self.gbyte / self.limit_gbyte_per_s
        return "arithmetic" if self.gflop / self.limit_gflop_per_s >= memory_s else "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What `measure` found for one model."""

    runs: int
    """Photographs that were timed, without the warm-up batch."""
    batch_size: int
    """Photographs per call of the model; a stage time is that of its batch divided by this."""
    input_size: tuple[int, int]
    """Width and height of the low-resolution photographs in pixels."""
    decode: StageTime
    infer: StageTime
    encode: StageTime
    images_per_s: float
    """Photographs per second when the three stages run one after another; `upscale` overlaps them."""
    forward_per_s: float
    """Photographs per second of inference alone, from arrays to arrays in host memory."""
    end_to_end: EndToEnd | None = None
    """The pipeline of `upscale`; None for baselines, which it does not run."""
    arithmetic: Arithmetic | None = None
    """None for baselines, and where the graph does not tell what it computes."""
    peak_host_bytes: int | None = None
    """Largest resident size of the process meanwhile; None where the system does not tell."""
    peak_device_bytes: int | None = None
    """Most memory in use on the NVIDIA GPU meanwhile; None without one."""

    @property
    def bottleneck(self) -> str:
        """The busiest stage: `decode`, `inference` or `encode`.

        The one that does least alone in the pipeline of `upscale`; where that was not measured, the one with
        the largest median.
        """
        if self.end_to_end is not None:
            return self.end_to_end.busiest
        stages = {"decode": self.decode, "inference": self.infer, "encode": self.encode}
        return max(stages, key=lambda name: stages[name].median_s)


class SampleInputs:
    """JPEG files of the first low-resolution photographs, all of the size of the first one.

    Args:
        folder: An empty folder that outlives this object.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shape: tuple[int, ...] | None = None
        self.files: list[Path] = []

    def offer(self, low: NDArray[np.uint8]) -> None:
        """Write a (h, w, 3) uint8 RGB photograph, if its size fits and more are needed."""
        self._shape = self._shape or low.shape
        if low.shape != self._shape or len(self.files) >= RUNS:
            return
        path = self._folder / f"{len(self.files):02d}.jpg"
        # The usual form of a portrait in a folder of thousands.
        Image.fromarray(np.ascontiguousarray(low)).save(
            path, format="JPEG", quality=_INPUT_QUALITY, subsampling="4:2:0"
        )
        self.files.append(path)


def measure(
    upscale_batch: Callable[[Sequence[Samples]], Sequence[Samples]], files: Sequence[Path], *, batch_size: int
) -> Throughput:
    """Time the three stages of `upscale` on files of one size, after one batch that is not counted.

    Args:
        upscale_batch: From (h, w, 3) arrays to (s h, s w, 3) arrays in host memory, so a GPU has finished
            when it returns.
        files: Photographs of equal size, at least one.
        batch_size: Photographs per call.

    Raises:
        UpscaleFailedError: The model failed on one of them.
    """
    assert files and batch_size > 0
    decode_s: list[float] = []
    infer_s: list[float] = []
    encode_s: list[float] = []
    batches = max(_BATCHES, -(-RUNS // batch_size))
    photo = decode(files[0])
    for batch in range(batches + 1):
        photos: list[Photo] = []
        for index in range(batch * batch_size, (batch + 1) * batch_size):
            start_s = time.perf_counter()
            photos.append(decode(files[index % len(files)]))
            decode_s.append(time.perf_counter() - start_s)
        start_s = time.perf_counter()
        enlarged = upscale_batch([photo.pixels for photo in photos])
        infer_s += [(time.perf_counter() - start_s) / batch_size] * batch_size
        for photo, pixels in zip(photos, enlarged, strict=True):
            start_s = time.perf_counter()
            result = dataclasses.replace(photo, pixels=pixels, alpha=None, residual=None)
            encode(result, file_format=FileFormat.JPEG, quality=None, metadata="keep")
            encode_s.append(time.perf_counter() - start_s)
    # The first batch pays for lazy allocation, kernel choice and cold caches.
    counted = [stage[batch_size:] for stage in (decode_s, infer_s, encode_s)]
    height_px, width_px = photo.pixels.shape[:2]
    return Throughput(
        runs=batches * batch_size,
        batch_size=batch_size,
        input_size=(width_px, height_px),
        decode=_stage_time(counted[0]),
        infer=_stage_time(counted[1]),
        encode=_stage_time(counted[2]),
        images_per_s=batches * batch_size / sum(map(sum, counted)),
        forward_per_s=batches * batch_size / sum(counted[1]),
    )


def _stage_time(seconds: Sequence[float]) -> StageTime:
    return StageTime(median_s=float(np.median(seconds)), p95_s=float(np.percentile(seconds, 95)))
