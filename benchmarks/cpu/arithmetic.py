"""How much of the machine's arithmetic the networks reach, by provider and precision, and the loss in PSNR.

The limit is one large 3x3 convolution with the same session options. It and the network are measured in turn,
three times, and the round with the median quotient counts, since other work on the machine may slow the one
or the other. The network is timed as `upscale` runs it, from 8-bit arrays to 8-bit arrays.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Any

from benchmarks.cpu.options import Figures, Options, Say
from benchmarks.photographs import photograph
from benchmarks.quality import enlarged, loss, originals
from benchmarks.resultfile import summary
from facesr_cli.bench.limit import Convolution, Limit, measure_limit
from facesr_cli.bench.speed import work_of
from facesr_cli.errors import CapabilityError
from facesr_cli.model.providers import PROVIDERS
from facesr_cli.model.upscaler import Upscaler

ROUNDS = 3
LEAST_RATIO = 0.85
"""Of the plain provider, which the project asks of itself."""
LEAST_TIMES_PLAIN = 2.5
MOST_LOSS_DB = 0.1
"""Of OpenVINO in bf16 on a processor with AMX."""

_CHOICES = (("cpu", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
_SMALL = {"convolutions": (Convolution(8, 32),), "copy_values": 1 << 12, "repeats": 1}


def measure(options: Options, say: Say) -> Figures:
    """Measure every model on every provider; what cannot run is a row that says why."""
    rows: list[dict[str, Any]] = []
    truths = originals(options.size_px)
    for model in options.models:
        plain_per_s: float | None = None
        plain_results = None
        for provider, precision in _CHOICES:
            say(f"arithmetic: {model} on {provider} in {precision}")
            row: dict[str, Any] = {"model": model, "provider": provider, "precision": precision}
            rows.append(row)
            try:
                with contextlib.closing(Upscaler(model, provider=provider, precision=precision)) as upscaler:
                    row |= _timed(upscaler, model, provider, precision, options)
                    results = enlarged(upscaler, truths)
            except CapabilityError as error:
                row["missing"] = str(error)
                continue
            if (provider, precision) == _CHOICES[0]:
                plain_per_s, plain_results = row["forward_per_s"], results
            elif plain_results is not None and plain_per_s is not None:
                row |= dataclasses.asdict(loss(truths, plain_results, results, scale=upscaler.scale))
                row["times_plain"] = row["forward_per_s"] / plain_per_s
    return {"rows": rows}


def lines(figures: Figures) -> list[str]:
    """Return the table as text."""
    found = []
    for row in figures["rows"]:
        head = f"{row['model']} on {PROVIDERS[row['provider']].title} in {row['precision']}"
        if "missing" in row:
            found.append(f"{head}: not measured: {row['missing']}")
            continue
        line = f"{head}: {row['forward_per_s']:.2f} photographs/s"
        if row["ratio"] is not None:
            line += (
                f", {row['gflop_per_s']:.1f} of {row['limit_gflop_per_s']:.1f} GFLOP/s: "
                f"ratio {row['ratio']:.2f}, bound by {row['bound_by']}"
            )
        if "times_plain" in row:
            lost = row["psnr_loss_db"]
            line += f"; {row['times_plain']:.2f} times the plain provider"
            line += "" if lost is None else f", loss {lost:.3f} dB"
        found.append(line)
    found.append(
        f"asked for: ratio {LEAST_RATIO} plain; {LEAST_TIMES_PLAIN} times plain with a loss under "
        f"{MOST_LOSS_DB} dB in bf16 with AMX"
    )
    return found


def _timed(upscaler: Upscaler, model: str, provider: str, precision: str, options: Options) -> dict[str, Any]:
    """The round with the median rate in relation to the limit; `ratios` has those of all."""
    pixels = photograph(options.size_px, options.size_px)
    upscaler.upscale_batch([pixels])
    rounds = [_round(upscaler, model, provider, precision, options) for _ in range(ROUNDS)]
    rounds.sort(key=lambda values: values["ratio"] or 0)
    ratios = [values["ratio"] for values in rounds]
    return {"device": upscaler.provider.device, **rounds[(ROUNDS - 1) // 2], "ratios": ratios}


def _round(upscaler: Upscaler, model: str, provider: str, precision: str, options: Options) -> dict[str, Any]:
    """The limit, and right after it the network."""
    limit = _limit(provider, precision, options)
    pixels = photograph(options.size_px, options.size_px)
    seconds = []
    for _ in range(options.repeats):
        begun_s = time.perf_counter()
        upscaler.upscale_batch([pixels])
        seconds.append(time.perf_counter() - begun_s)
    forward = summary(seconds)
    work = work_of(model, options.size_px, options.size_px)
    values: dict[str, Any] = {
        "forward": forward,
        "forward_per_s": 1 / forward["median_s"],
        "limit_gflop_per_s": limit.gflop_per_s,
        "limit_convolution": limit.convolution,
        "limit_gbyte_per_s": limit.gbyte_per_s,
        "ratio": None,
    }
    if work is not None:
        arithmetic_s, memory_s = limit.least_s(work)
        values |= {
            "gflop": work.gflop,
            "gbyte": work.gbyte(precision),
            "gflop_per_s": work.gflop / forward["median_s"],
            "ratio": arithmetic_s / forward["median_s"],
            "bound_by": "arithmetic" if arithmetic_s >= memory_s else "memory",
        }
    return values


def _limit(provider: str, precision: str, options: Options) -> Limit:
    sizes: dict[str, Any] = _SMALL if options.small_limit else {}
    return measure_limit(provider=provider, precision=precision, **sizes)
