"""How long a run will take and how much disk it needs, from three of its photographs; nothing is written."""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from facesr_cli.batch.fleet import members_of
from facesr_cli.batch.inference import PhotoUpscaler, upscale_each
from facesr_cli.batch.plan import Job
from facesr_cli.batch.report import FileResult
from facesr_cli.batch.settings import Settings
from facesr_cli.batch.stages import decode_stage, enlarged, failed
from facesr_cli.errors import PhotoError
from facesr_cli.model.hardware import usable_cpus
from facesr_cli.photo import FileFormat, Photo, encode, fit_to_format

PROBES = 3
_PROBE_PX = 1_000_000
"""Of larger photographs only so many pixels from the middle are upscaled; time grows with the area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run will take, give or take a third; other programs on the machine count as they did now."""

    elapsed_s: float
    disk_bytes: int
    free_bytes: int
    """On the disks of the output directories, together."""
    fits: bool
    """Whether each of these disks has room for its share."""
    probes: int
    """Photographs that it was measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    """What one photograph took, per pixel of the input."""

    decode_s: float
    infer_s: float
    encode_s: float
    output_bytes: float
    file_format: FileFormat


def forecast(
    todo: Sequence[tuple[Job, int]], upscaler: PhotoUpscaler, settings: Settings, *, workers: int
) -> tuple[Forecast | None, list[FileResult]]:
    """Decode, upscale and encode a small, a middling and a large photograph, and count up.

    Args:
        todo: The photographs to run, each with its number of pixels.
        upscaler: The network, open.
        settings: Of the run.
        workers: Threads that decode, and as many that encode.

    Returns:
        The forecast, None where no probe came through; and the failures of those that did not.

    Raises:
        CapabilityError: The network does not work.
    """
    failures: list[FileResult] = []
    probes: list[_Probe] = []
    for job in _chosen(todo):
        together = min(upscaler.batch_size, len(todo))
        if not probes:
            _probe(job, upscaler, settings, together)  # the first inference is slower than all others
        result = _probe(job, upscaler, settings, together)
        if isinstance(result, FileResult):
            failures.append(result)
        else:
            probes.append(result)
    if not probes:
        return None, failures
    pixels = sum(number for _job, number in todo)
    threads = max(1, min(2 * workers, usable_cpus()))
    around_s = sum(probe.decode_s + probe.encode_s for probe in probes) / threads
    network_s = sum(probe.infer_s for probe in probes) / len(members_of(upscaler))
    need, free = _disks(todo, probes)
    return Forecast(
        elapsed_s=(network_s + around_s) / len(probes) * pixels,
        disk_bytes=sum(need.values()),
        free_bytes=sum(free.values()),
        fits=all(need[disk] <= free[disk] for disk in need),
        probes=len(probes),
    ), failures


def _chosen(todo: Sequence[tuple[Job, int]]) -> list[Job]:
    by_size = sorted(todo, key=lambda item: item[1])
    places = {len(by_size) * (2 * index + 1) // (2 * PROBES) for index in range(PROBES)}
    return [by_size[place][0] for place in sorted(places)]


def _probe(job: Job, upscaler: PhotoUpscaler, settings: Settings, together: int) -> _Probe | FileResult:
    decoded = decode_stage(job)
    if isinstance(decoded, FileResult):
        return decoded
    whole_px = decoded.photo.width * decoded.photo.height
    photo = _middle(decoded.photo)
    pixels = photo.width * photo.height
    begun_s = time.perf_counter()
    larger = upscale_each(upscaler, [photo.pixels] * together)[0]
    inferred_s = time.perf_counter()
    if isinstance(larger, PhotoError):
        return failed(job, larger, elapsed_s=0.0, photo=decoded.photo)
    try:
        finished = fit_to_format(enlarged(photo, larger.pixels), job.file_format)
        data = encode(
            finished, file_format=job.file_format, quality=settings.quality, metadata=settings.metadata
        )
    except Exception as error:  # the documented boundary of `Writer.encode_stage`
        return failed(job, error, elapsed_s=0.0, photo=decoded.photo)
    return _Probe(
        decode_s=decoded.elapsed_s / whole_px,
        infer_s=(inferred_s - begun_s) / together / pixels,
        encode_s=(time.perf_counter() - inferred_s) / pixels,
        output_bytes=len(data) / pixels,
        file_format=job.file_format,
    )


def _middle(photo: Photo) -> Photo:
    """Cut the middle out of a photograph that has more than `_PROBE_PX` pixels."""
    factor = (_PROBE_PX / (photo.width * photo.height)) ** 0.5
    if factor >= 1:
        return photo
    height, width = max(1, int(photo.height * factor)), max(1, int(photo.width * factor))
    top, left = (photo.height - height) // 2, (photo.width - width) // 2

    def cut(samples: NDArray[Any] | None) -> Any:
        return None if samples is None else samples[top : top + height, left : left + width].copy()

    return replace(photo, pixels=cut(photo.pixels), alpha=cut(photo.alpha), residual=cut(photo.residual))


def _disks(
    todo: Sequence[tuple[Job, int]], probes: Sequence[_Probe]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return the bytes needed and free, by disk."""
    per_pixel: dict[FileFormat, list[float]] = defaultdict(list)
    for probe in probes:
        per_pixel[probe.file_format].append(probe.output_bytes)
    every = [probe.output_bytes for probe in probes]
    need: dict[int, int] = defaultdict(int)
    free: dict[int, int] = {}
    disks: dict[Path, int] = {}
    for job, pixels in todo:
        if job.out_root not in disks:
            place = _nearest(job.out_root)
            disks[job.out_root] = disk = place.stat().st_dev
            free[disk] = shutil.disk_usage(place).free
        known = per_pixel.get(job.file_format, every)
        need[disks[job.out_root]] += int(pixels * sum(known) / len(known))
    return need, free


def _nearest(directory: Path) -> Path:
    """Return `directory`, or the closest one above it that exists."""
    absolute = Path(os.path.abspath(directory))
    return next(path for path in (absolute, *absolute.parents) if path.is_dir())
