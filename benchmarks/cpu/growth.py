"""Growth: seconds per megapixel by size of the photograph and by number of files, with peak memory.

Each row is a run of `facesr-cli upscale` in a process of its own. Its seconds are those of its report, less
those of a run with one photograph of `_TINY_PX`: opening the network and whatever else happens once per run.
`run_s_per_megapixel` has them in it. Small photographs come several to a run, as many as make up the
megapixels of the largest one or `_MOST_FILES`. Short runs are repeated, and their median counts.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.command import Finished, busiest_stage, facesr_cli, run, run_seconds, stage_seconds
from benchmarks.cpu.options import Figures, Options, Say
from benchmarks.photographs import write_jpegs

MOST_SPREAD = 0.15
"""The most by which seconds per megapixel may differ, largest over smallest less one."""

_MOST_FILES = 64
_TINY_PX = 32
_LONG_S = 20.0
"""Runs are repeated until they have taken so long together, at most `--repeats` times; the median counts."""


def measure(options: Options, say: Say) -> Figures:
    """Measure the sizes, then the numbers of files."""
    largest_px = max(options.sizes) ** 2
    say("growth: what happens once per run")
    fixed_s = _row(1, _TINY_PX, options, 0.0)["run_s"]
    sizes = []
    for size_px in options.sizes:
        files = max(1, min(_MOST_FILES, largest_px // size_px**2))
        say(f"growth: {files} of {size_px}x{size_px} px")
        sizes.append(_row(files, size_px, options, fixed_s))
    numbers = []
    for files in options.files:
        say(f"growth: {files} files of {options.files_px}x{options.files_px} px")
        numbers.append(_row(files, options.files_px, options, fixed_s))
    return {
        "fixed_s": fixed_s,
        "sizes": sizes,
        "numbers": numbers,
        "spread_of_sizes": spread(sizes),
        "spread_of_numbers": spread(numbers),
    }


def spread(rows: list[dict[str, Any]]) -> float:
    """Return the largest seconds per megapixel over the smallest, less one."""
    values = [row["s_per_megapixel"] for row in rows]
    return float(max(values) / min(values) - 1) if min(values) > 0 else math.inf


def lines(figures: Figures) -> list[str]:
    """Return the table as text."""
    found = [f"once per run: {figures['fixed_s']:.3f} s"]
    for key in ("sizes", "numbers"):
        for row in figures[key]:
            memory = "" if row["peak_bytes"] is None else f", {row['peak_bytes'] / 2**20:.0f} MiB"
            found.append(
                f"{row['files']} of {row['size_px']}x{row['size_px']} px: "
                f"{row['s_per_megapixel']:.4f} s per input megapixel, most work in {row['busiest']}{memory}"
            )
        found.append(f"  spread {_text(figures[f'spread_of_{key}'])}, asked for: at most {MOST_SPREAD}")
    return found


def _text(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "unknown: less than what happens once per run"


def _row(files: int, size_px: int, options: Options, fixed_s: float) -> dict[str, Any]:
    done: list[Finished] = []
    with tempfile.TemporaryDirectory(prefix="facesr-growth-") as folder:
        write_jpegs(Path(folder) / "in", files, size_px)
        arguments = ("upscale", Path(folder) / "in", "-o", Path(folder) / "out", "--model", options.models[0])
        command = facesr_cli(*arguments, "--provider", "cpu", "--existing", "overwrite", "--json", "-q")
        while not done or (len(done) < options.repeats and sum(each.elapsed_s for each in done) < _LONG_S):
            done.append(run(command))
    run_s = statistics.median(run_seconds(process.report) for process in done)
    megapixels = files * size_px**2 / 1e6
    return {
        "files": files,
        "size_px": size_px,
        "runs": len(done),
        "run_s": run_s,
        "s_per_megapixel": (run_s - fixed_s) / megapixels,
        "run_s_per_megapixel": run_s / megapixels,
        "busiest": busiest_stage(done[-1].report),
        "stages": stage_seconds(done[-1].report),
        "peak_bytes": max((process.peak_bytes or 0 for process in done), default=0) or None,
    }
