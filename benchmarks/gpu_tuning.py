"""The ways of driving a device that `facesr_cli.model.tuning` knows, beside each other."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_cli.errors import CapabilityError, UpscaleFailedError
from facesr_cli.model.tuning import CANDIDATES, Tuning
from facesr_cli.model.upscaler import Upscaler

WARM_RUNS = 3
"""Runs of each session that are not counted: kernels are chosen in the first, graphs recorded after it."""


def measure_tunings(
    model: str, *, provider: str, precision: str, device: int, batch: int, size_px: int, least_s: float
) -> list[dict[str, Any]]:
    """Photographs per second from array to array with each of `CANDIDATES`, and what that is of the default.

    Those that change nothing on the provider are left out.

    All candidates are opened and measured one after the other, the default again at the end, so that a clock
    that falls while the device gets warm is seen as `default_again`.

    Args:
        model: Name or file.
        provider: Key of a provider.
        precision: What it is opened in.
        device: Which GPU.
        batch: Photographs at once.
        size_px: Side of the photographs.
        least_s: Each is measured at least so long.
    """
    random = np.random.default_rng(0)
    pictures = list(random.integers(0, 256, (batch, size_px, size_px, 3), np.uint8))
    rows: list[dict[str, Any]] = []
    default = CANDIDATES["default"]
    different = {
        name: tuning
        for name, tuning in CANDIDATES.items()
        if name == "default" or _effect(tuning, provider) != _effect(default, provider)
    }
    for name, tuning in (*different.items(), ("default again", default)):
        row: dict[str, Any] = {
            "model": model,
            "provider": provider,
            "precision": precision,
            "batch": batch,
            "name": name,
            "sessions": tuning.sessions_on(provider),
        }
        try:
            with contextlib.ExitStack() as stack:
                upscalers = [
                    stack.enter_context(
                        Upscaler(
                            model,
                            provider=provider,
                            precision=precision,
                            device=device,
                            batch_size=batch,
                            tuning=tuning,
                        )
                    )
                    for _ in range(tuning.sessions_on(provider))
                ]
                row["array_per_s"] = _rate(upscalers, pictures, least_s)
                del upscalers  # the next candidate needs their memory
        except (CapabilityError, UpscaleFailedError) as error:
            row["missing"] = str(error)
        rows.append(row)
    base = rows[0].get("array_per_s")
    for row in rows:
        if base and "array_per_s" in row:
            row["ratio"] = row["array_per_s"] / base
    return rows


def _effect(tuning: Tuning, provider: str) -> tuple[object, ...]:
    """What a tuning changes on a provider; two with the same are one."""
    on_cuda = provider == "cuda"
    return (
        tuning.binds(provider),
        tuning.sessions_on(provider),
        on_cuda and tuning.nhwc,
        on_cuda and tuning.cuda_graphs,
        provider == "cpu" and tuning.spinning,
    )


def best(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The fastest row; None where none could be measured."""
    return max(
        (row for row in rows if "array_per_s" in row), key=lambda row: row["array_per_s"], default=None
    )


def line(rows: Sequence[dict[str, Any]]) -> str:
    """What was found, for the log."""
    first, fastest = rows[0], best(rows)
    where = f"{first['model']} {first['provider']} {first['precision']} batch {first['batch']}"
    if fastest is None:
        return f"{where}: no tuning runs: {first.get('missing', '')}"
    found = ", ".join(f"{row['name']} {row['ratio']:.2f}" for row in rows if "ratio" in row)
    return f"{where}: fastest is '{fastest['name']}' with {fastest['array_per_s']:.1f}/s; by ratio: {found}"


def _rate(upscalers: Sequence[Upscaler], pictures: list[NDArray[np.uint8]], least_s: float) -> float:
    """Pictures per second of all sessions together, each in a thread of its own."""
    one_at_a_time = threading.Lock()
    begun_s: list[float] = []
    all_warm = threading.Barrier(len(upscalers), action=lambda: begun_s.append(time.perf_counter()))

    def work(upscaler: Upscaler) -> int:
        # In the thread that will use it, since onnxruntime keeps recorded graphs by thread.
        try:
            with one_at_a_time:
                for _ in range(WARM_RUNS):
                    upscaler.upscale_batch(pictures)
        except BaseException:
            all_warm.abort()
            raise
        all_warm.wait()
        done = 0
        while not done or time.perf_counter() - begun_s[0] < least_s:
            upscaler.upscale_batch(pictures)
            done += len(pictures)
        return done

    with ThreadPoolExecutor(len(upscalers)) as pool:
        working = [pool.submit(work, upscaler) for upscaler in upscalers]
    faults = [fault for fault in (each.exception() for each in working) if fault is not None]
    for fault in faults:
        if not isinstance(fault, threading.BrokenBarrierError):  # those only waited for the one that failed
            raise fault
    return sum(each.result() for each in working) / (time.perf_counter() - begun_s[0])
