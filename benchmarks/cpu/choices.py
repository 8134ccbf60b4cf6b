"""What the choices around the network cost: PNG, JPEG, threads or processes, workers, threads that spin."""

from __future__ import annotations

import io
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.command import busiest_stage, facesr_cli, run, run_seconds, stage_seconds
from benchmarks.cpu.options import Figures, Options, Say
from benchmarks.photographs import photograph, write_jpegs
from benchmarks.pipeline import measure_pipeline
from benchmarks.resultfile import summary
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.model.hardware import usable_cpus
from facesr_cli.model.tuning import Tuning
from facesr_cli.photo.decode import decode
from facesr_cli.photo.encode import DEFAULT_QUALITY, encode
from facesr_cli.photo.formats import FileFormat
from facesr_cli.photo.photograph import Photo

PNG_LEVELS = (0, 1, 2, 3, 4, 6, 9)
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
_SCALE = 2
_POOLS: dict[str, Callable[[int], Executor]] = {
    "threads": ThreadPoolExecutor,
    # Never fork: the parent has the threads of onnxruntime.
    "processes": partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn")),
}


def measure(options: Options, say: Say) -> Figures:
    """Measure all choices on enlarged photographs, of twice `size_px` a side."""
    large = photograph(_SCALE * options.size_px, _SCALE * options.size_px)
    say("choices: PNG level")
    figures: Figures = {"png": [_png(large, level, options.repeats) for level in PNG_LEVELS]}
    say("choices: JPEG chroma")
    figures["jpeg"] = [_jpeg(large, how, options.repeats) for how in SUBSAMPLINGS]
    say("choices: JPEG decoding")
    figures["decode"] = _decode(options)
    figures["pools"] = []
    figures["decode_pools"] = []
    with tempfile.TemporaryDirectory(prefix="facesr-choices-") as folder:
        (path,) = write_jpegs(Path(folder) / "in", 1, options.size_px)
        for kind in _POOLS:
            for workers in worker_counts():
                say(f"choices: {workers} {kind} that encode, then that decode")
                figures["pools"].append(_pool(kind, workers, partial(_encode, large), options))
                figures["decode_pools"].append(_pool(kind, workers, partial(_decoded, path), options))
    figures["workers"] = []
    with tempfile.TemporaryDirectory(prefix="facesr-choices-") as folder:
        write_jpegs(Path(folder) / "in", options.images, options.size_px)
        for workers in worker_counts():
            say(f"choices: upscale --workers {workers}")
            figures["workers"].append(_workers(workers, Path(folder), options))
    figures["spinning"] = []
    for spinning in (True, False):
        say(f"choices: threads that {'spin' if spinning else 'sleep'} where they wait")
        tuning = Tuning(spinning=spinning)
        row = measure_pipeline(options.models[0], provider="cpu", size_px=options.size_px, tuning=tuning)
        figures["spinning"].append({"spinning": spinning} | row)
    return figures


def worker_counts() -> tuple[int, ...]:
    """Return 1, 2, 4 and so on up to the CPUs that this process may use."""
    most = usable_cpus()
    return tuple(sorted({*(2**power for power in range(most.bit_length()) if 2**power <= most), most}))


def lines(figures: Figures) -> list[str]:
    """Return the tables as text."""
    found = [
        f"PNG level {row['level']}: {row['median_s']:.4f} s, {row['file_bytes']} bytes"
        for row in figures["png"]
    ]
    found += [
        f"JPEG {row['subsampling']}: {row['median_s']:.4f} s, {row['file_bytes']} bytes, "
        f"{row['psnr_db']:.2f} dB"
        for row in figures["jpeg"]
    ]
    found.append(f"decode a JPEG of the input's size: {figures['decode']['median_s']:.4f} s")
    found += [
        f"{stage} in {row['workers']} {row['pool']}: {row['images_per_s']:.2f} photographs/s"
        for stage, pools in (("encode", "pools"), ("decode", "decode_pools"))
        for row in figures[pools]
    ]
    found += [
        f"threads that {'spin' if row['spinning'] else 'sleep'}: {row['images_per_s']:.3f} photographs/s, "
        f"inference alone {row['alone_per_s']['inference']:.3f}"
        for row in figures["spinning"]
    ]
    found += [
        f"upscale --workers {row['workers']}: {row['images_per_s']:.3f} photographs/s, "
        f"most work in {row['busiest']}"
        for row in figures["workers"]
    ]
    return found


def _png(pixels: NDArray[np.uint8], level: int, repeats: int) -> dict[str, Any]:
    save = partial(_saved, Image.fromarray(pixels), format="PNG", compress_level=level)
    return {"level": level, "file_bytes": len(save())} | _summary(save, repeats)


def _jpeg(pixels: NDArray[np.uint8], subsampling: str, repeats: int) -> dict[str, Any]:
    options = {"format": "JPEG", "quality": DEFAULT_QUALITY, "subsampling": subsampling}
    save = partial(_saved, Image.fromarray(pixels), **options)
    data = save()
    with Image.open(io.BytesIO(data)) as opened:
        kept_db = psnr_db(np.asarray(opened.convert("RGB")), pixels)
    row = {"subsampling": subsampling, "file_bytes": len(data), "psnr_db": kept_db}
    return row | _summary(save, repeats)


def _decode(options: Options) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="facesr-choices-") as folder:
        (path,) = write_jpegs(Path(folder) / "in", 1, options.size_px)
        return _summary(lambda: decode(path), options.repeats)


def _pool(kind: str, workers: int, work: Callable[[], object], options: Options) -> dict[str, Any]:
    """Do `work` `images` times; what goes in and comes out crosses to a process as it would in a run."""
    with _POOLS[kind](workers) as pool:
        # Starts every worker: each holds one of these until all have one.
        _results(pool, work, 2 * workers)
        begun_s = time.perf_counter()
        _results(pool, work, options.images)
        elapsed_s = time.perf_counter() - begun_s
    return {"pool": kind, "workers": workers, "images_per_s": options.images / elapsed_s}


def _results(pool: Executor, work: Callable[[], object], count: int) -> None:
    for future in [pool.submit(work) for _ in range(count)]:
        future.result()


def _workers(workers: int, folder: Path, options: Options) -> dict[str, Any]:
    arguments = ("upscale", folder / "in", "-o", folder / f"out-{workers}", "--model", options.models[0])
    report = run(
        facesr_cli(*arguments, "--provider", "cpu", "--workers", str(workers), "--json", "-q")
    ).report
    return {
        "workers": workers,
        "images_per_s": options.images / run_seconds(report),
        "busiest": busiest_stage(report),
        "stages": stage_seconds(report),
    }


def _encode(pixels: NDArray[np.uint8]) -> int:
    """Encode one photograph as `upscale` does and return the number of bytes; runs in a worker."""
    return len(encode(Photo(pixels=pixels, format="JPEG"), file_format=FileFormat.JPEG))


def _decoded(path: Path) -> NDArray[Any]:
    """Decode one photograph as `upscale` does and return its pixels; runs in a worker."""
    return decode(path).pixels


def _saved(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def _summary(function: Callable[[], object], repeats: int) -> dict[str, float]:
    function()
    seconds = []
    for _ in range(repeats):
        begun_s = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begun_s)
    return summary(seconds)
