"""The pipeline of `upscale` beside its busiest stage alone, in this process, the network open already."""

from __future__ import annotations

import dataclasses
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.photographs import write_jpegs
from facesr_cli.bench.end_to_end import measure_end_to_end
from facesr_cli.bench.throughput import RUNS, measure
from facesr_cli.model.tuning import Tuning
from facesr_cli.model.upscaler import Upscaler

ROUNDS = 3
LEAST_SHARE = 0.90
"""Of the rate of the busiest stage alone, which the project asks of its pipeline."""


def measure_pipeline(
    model: str,
    *,
    provider: str,
    device: int = 0,
    size_px: int,
    rounds: int = ROUNDS,
    tuning: Tuning | None = None,
) -> dict[str, Any]:
    """Return what `bench` measures of stages and pipeline, on generated photographs.

    The network alone and the pipeline are timed in turn, `rounds` times, since other work on the machine may
    slow the one or the other. The round with the median share counts; `shares` has those of all.

    Args:
        model: Name or file, as of `upscale`.
        provider: Key of a provider, or `auto`.
        device: Which GPU, from 0.
        size_px: Side of the photographs.
        rounds: At least 1.
        tuning: How the device is driven; None: as by default.

    Raises:
        CapabilityError: Model or provider cannot be opened.
        UpscaleFailedError: A photograph failed.
    """
    open_one = partial(Upscaler, model, provider=provider, device=device, tuning=tuning)
    with tempfile.TemporaryDirectory(prefix="facesr-pipeline-") as folder, open_one() as upscaler:
        files = write_jpegs(Path(folder) / "samples", RUNS, size_px)
        measured = []
        for turn in range(rounds):
            stages = measure(upscaler.upscale_batch, files, batch_size=upscaler.batch_size)
            run_folder = Path(folder) / f"run-{turn}"
            run = measure_end_to_end(
                upscaler, files, run_folder, forward_per_s=stages.forward_per_s, open_another=open_one
            )
            measured.append((run.share_of_busiest, stages, run))
        measured.sort(key=lambda each: each[0])
        share, stages, run = measured[(rounds - 1) // 2]
        return {
            "model": model,
            "provider": provider,
            "precision": upscaler.provider.precision,
            "batch_size": stages.batch_size,
            "decode": dataclasses.asdict(stages.decode),
            "infer": dataclasses.asdict(stages.infer),
            "encode": dataclasses.asdict(stages.encode),
            **dataclasses.asdict(run),
            "busiest": run.busiest,
            "share_of_busiest": share,
            "shares": [each[0] for each in measured],
        }


def pipeline_line(row: dict[str, Any]) -> str:
    """Return one row as text."""
    alone = ", ".join(f"{stage} {rate:.2f}" for stage, rate in row["alone_per_s"].items())
    return (
        f"{row['model']} on {row['provider']} in {row['precision']}: "
        f"{row['images_per_s']:.2f} photographs/s, {row['share_of_busiest']:.2f} of {row['busiest']} "
        f"alone, asked for: {LEAST_SHARE}; "
        f"cores busy {100 * row['cores_busy']:.0f} %; alone: {alone}"
    )
