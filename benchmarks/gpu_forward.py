"""Rates of a network alone by batch size: with buffers on the device, and from host to host as `upscale`."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.log import Log
from benchmarks.network import open_network
from benchmarks.photographs import photograph
from benchmarks.resultfile import summary
from facesr_cli.bench.bound import BoundSession
from facesr_cli.bench.limit import Limit
from facesr_cli.bench.memory import peak_memory
from facesr_cli.bench.speed import work_of
from facesr_cli.errors import UpscaleFailedError
from facesr_cli.model import graph
from facesr_cli.model.upscaler import Upscaler

LEAST_S = 1.0
"""Each rate is measured at least so long, and at least `--repeats` runs."""


def forward_rows(
    model: str, limit: Limit, arguments: argparse.Namespace, log: Log
) -> Iterator[dict[str, Any]]:
    """Yield a row for each batch size, until one does not fit into memory."""
    size_px, gpu = arguments.size, None if limit.provider in ("cpu", "openvino") else arguments.device
    work = work_of(model, size_px, size_px)
    for batch in arguments.batches:
        row: dict[str, Any] = {"model": model, "provider": limit.provider, "precision": limit.precision}
        row["batch"] = batch
        pixels = np.stack([photograph(size_px, size_px, seed=seed) for seed in range(batch)])
        try:
            with peak_memory(gpu=gpu) as peak:
                on_device, scale = _on_device(model, limit, pixels, arguments)
                in_host = _in_host(model, limit, pixels, arguments)
        except UpscaleFailedError as error:
            log(f"{model} {limit.provider} {limit.precision} batch {batch}: {error}")
            yield row | {"missing": str(error)}
            return
        rate = batch / statistics.median(on_device)
        row |= {
            "forward": summary(on_device),
            "forward_per_s": rate,
            "array": summary(in_host),
            "array_per_s": batch / statistics.median(in_host),
            "crossing_bytes_per_image": pixels[0].size * (1 + scale**2),
            "peak_device_bytes": peak.device_bytes,
        }
        if work is not None:
            arithmetic_s, memory_s = limit.least_s(work)
            row |= {
                "gflop_per_s": work.gflop * rate,
                "share_of_limit": arithmetic_s * rate,
                "gbyte_per_s": work.gbyte(limit.precision) * rate,
                "bound_by": "arithmetic" if arithmetic_s >= memory_s else "memory",
            }
        log(
            f"{model} {limit.provider} {limit.precision} batch {batch}: {rate:.1f}/s on the device, "
            f"{row['array_per_s']:.1f}/s array to array, share of limit {row.get('share_of_limit', 0):.2f}"
        )
        yield row


def _on_device(
    model: str, limit: Limit, pixels: NDArray[np.uint8], arguments: argparse.Namespace
) -> tuple[list[float], int]:
    """Seconds of each run with inputs and outputs bound on the device, and the scale of the network."""
    engine, scale = open_network(
        model, provider=limit.provider, device=arguments.device, precision=limit.precision
    )
    count, height, width, channels = pixels.shape
    outputs: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        graph.OUTPUT: ((count, height * scale, width * scale, channels), np.uint8),
        graph.MEANS: ((count,), np.float32),
    }
    try:
        bound = BoundSession(engine, {graph.INPUT: pixels}, outputs, device=arguments.device)
        return _timed(bound.run, arguments.repeats), scale
    except Exception as error:  # onnxruntime's exceptions share no base class
        message = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise UpscaleFailedError("inference-failed", message) from error


def _in_host(
    model: str, limit: Limit, pixels: NDArray[np.uint8], arguments: argparse.Namespace
) -> list[float]:
    """Seconds of each batch as `upscale` runs it."""
    upscaler = Upscaler(
        model,
        provider=limit.provider,
        device=arguments.device,
        precision=limit.precision,
        batch_size=len(pixels),
    )
    with upscaler:

        def once() -> float:
            begun_s = time.perf_counter()
            upscaler.upscale_batch(list(pixels))
            return time.perf_counter() - begun_s

        return _timed(once, arguments.repeats)


def _timed(once: Any, repeats: int) -> list[float]:
    """Two runs that are not counted, since kernels are chosen there, then the seconds of each other one."""
    once()
    once()
    seconds: list[float] = []
    while len(seconds) < repeats or sum(seconds) < LEAST_S * (repeats > 1):
        seconds.append(once())
    return seconds
