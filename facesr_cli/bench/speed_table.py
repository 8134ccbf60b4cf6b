"""The table of speeds that people read, the same on the terminal and in Markdown."""

from __future__ import annotations

from facesr_cli.bench.throughput import StageTime, Throughput

SPEED = "Speed"
"""Title of the table."""

SPEED_HEADINGS = (
    "model",
    "input",
    "batch",
    "forward/s",
    "upscale/s",
    "of busiest",
    "decode ms",
    "inference ms",
    "encode ms",
    "busiest",
    "GFLOP/s",
    "limit",
    "share",
    "MiB",
    "GPU MiB",
)
"""Headings, the first one for text."""


def speed_cells(model: str, figures: Throughput) -> tuple[str, ...]:
    """Return one row as text, in the order of `SPEED_HEADINGS`; `-` stands for what is not known."""
    run, arithmetic = figures.end_to_end, figures.arithmetic
    return (
        model,
        "x".join(map(str, figures.input_size)),
        str(figures.batch_size),
        f"{figures.forward_per_s:.2f}",
        "-" if run is None else f"{run.images_per_s:.2f}",
        "-" if run is None else f"{run.share_of_busiest:.2f}",
        _milliseconds(figures.decode),
        _milliseconds(figures.infer),
        _milliseconds(figures.encode),
        figures.bottleneck,
        "-" if arithmetic is None else f"{arithmetic.gflop_per_s:.1f}",
        "-" if arithmetic is None else f"{arithmetic.limit_gflop_per_s:.1f}",
        "-" if arithmetic is None else f"{arithmetic.share_of_limit:.2f}",
        _mebibytes(figures.peak_host_bytes),
        _mebibytes(figures.peak_device_bytes),
    )


def limit_sentence(model: str, figures: Throughput) -> str:
    """Say what limits `upscale` with this model; empty for baselines."""
    run, arithmetic = figures.end_to_end, figures.arithmetic
    if run is None:
        return ""
    alone = ", ".join(f"{stage} {rate:.2f}" for stage, rate in run.alone_per_s.items())
    sentence = (
        f"{model}: busiest stage {run.busiest}, cores busy {100 * run.cores_busy:.0f} %; photographs per "
        f"second alone, with {run.workers} threads to decode and {run.workers} to encode: {alone}"
    )
    sentence += f"; {1000 * run.median_s:.0f} ms ({1000 * run.p95_s:.0f}) of work on each in the pipeline"
    if arithmetic is not None:
        sentence += (
            f"; bound by {arithmetic.bound_by} ({arithmetic.gflop:.1f} GFLOP and {arithmetic.gbyte:.2f} GB "
            f"each; limit {arithmetic.limit_gflop_per_s:.1f} GFLOP/s in one 3x3 convolution of "
            f"{arithmetic.limit_convolution} px, {arithmetic.limit_gbyte_per_s:.1f} GB/s in a copy)"
        )
    return sentence


def _milliseconds(stage: StageTime) -> str:
    return f"{1000 * stage.median_s:.1f} ({1000 * stage.p95_s:.1f})"


def _mebibytes(number: int | None) -> str:
    return "-" if number is None else f"{number / 2**20:.0f}"
