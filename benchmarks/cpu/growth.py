"""Growth: seconds per megapixel by size of the photograph and by number of files, with peak memory.

Each row is a run of `facesr-cli upscale` in a process of its own. Its seconds are those of its report, less
those of a run with one photograph of `_TINY_PX` beside it: opening the network and whatever else happens once
per run. `run_s_per_megapixel` has them in it. Small photographs come several to a run, as many as make up the
megapixels of the largest one or `_MOST_FILES`. Short runs are repeated, and their median counts.

A row takes a second or minutes, and what a machine does in a second changes within minutes. So before and
after every row `_REFERENCE_FILES` small photographs are enlarged, always the same, and `relative` is the
row's seconds per megapixel over the mean of theirs. What differs in `relative` is growth.
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
_REFERENCE_FILES = 64
_TINY_PX = 32
_LONG_S = 20.0
"""Rounds are repeated until the row's runs have taken so long together, at most `--repeats` times."""
_ROUND_S = 1.0
"""Runs shorter than this come several to a round, until they have taken so long, at most `--repeats`."""


def measure(options: Options, say: Say) -> Figures:
    """Measure the sizes, then the numbers of files."""
    largest_px = max(options.sizes) ** 2
    figures: Figures = {"sizes": [], "numbers": []}
    with tempfile.TemporaryDirectory(prefix="facesr-growth-") as folder:
        tiny = _Work(Path(folder) / "tiny", 1, _TINY_PX, options)
        reference = _Work(Path(folder) / "reference", _REFERENCE_FILES, options.files_px, options)
        for size_px in options.sizes:
            files = max(1, min(_MOST_FILES, largest_px // size_px**2))
            say(f"growth: {files} of {size_px}x{size_px} px")
            figures["sizes"].append(_row(files, size_px, options, tiny, reference))
        for files in options.files:
            say(f"growth: {files} files of {options.files_px}x{options.files_px} px")
            figures["numbers"].append(_row(files, options.files_px, options, tiny, reference))
    return {
        "fixed_s": statistics.median(row["fixed_s"] for row in figures["sizes"] + figures["numbers"]),
        **figures,
        "spread_of_sizes": spread(figures["sizes"]),
        "spread_of_numbers": spread(figures["numbers"]),
    }


def spread(rows: list[dict[str, Any]]) -> float:
    """Return the largest relative seconds per megapixel over the smallest, less one."""
    values = [row["relative"] for row in rows]
    return float(max(values) / min(values) - 1) if min(values) > 0 else math.inf


def lines(figures: Figures) -> list[str]:
    """Return the table as text."""
    found = [f"once per run: {figures['fixed_s']:.3f} s"]
    for key in ("sizes", "numbers"):
        for row in figures[key]:
            memory = "" if row["peak_bytes"] is None else f", {row['peak_bytes'] / 2**20:.0f} MiB"
            found.append(
                f"{row['files']} of {row['size_px']}x{row['size_px']} px: "
                f"{row['s_per_megapixel']:.4f} s per input megapixel, {row['relative']:.3f} of the reference "
                f"beside it, most work in {row['busiest']}{memory}"
            )
        found.append(f"  spread {_text(figures[f'spread_of_{key}'])}, asked for: at most {MOST_SPREAD}")
    return found


def _text(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "unknown: less than what happens once per run"


class _Work:
    """A folder of photographs to enlarge, again and again."""

    def __init__(self, folder: Path, files: int, size_px: int, options: Options) -> None:
        write_jpegs(folder / "in", files, size_px)
        self.megapixels = files * size_px**2 / 1e6
        self._command = facesr_cli(
            *("upscale", folder / "in", "-o", folder / "out", "--model", options.models[0]),
            *("--provider", "cpu", "--existing", "overwrite", "--json", "-q"),
        )

    def run(self) -> Finished:
        """Enlarge them once."""
        return run(self._command)

    def run_s(self) -> float:
        """Enlarge them once; the seconds of the run's report."""
        return run_seconds(self.run().report)


def _row(files: int, size_px: int, options: Options, tiny: _Work, reference: _Work) -> dict[str, Any]:
    done: list[Finished] = []
    fixed: list[float] = []
    net: list[float] = []
    relative: list[float] = []
    with tempfile.TemporaryDirectory(prefix="facesr-growth-") as folder:
        work = _Work(Path(folder), files, size_px, options)
        beside = [_net(reference, tiny.run_s())]
        while not done or (len(net) < options.repeats and sum(each.elapsed_s for each in done) < _LONG_S):
            fixed.append(tiny.run_s())
            runs = [work.run()]
            while len(runs) < options.repeats and sum(run_seconds(each.report) for each in runs) < _ROUND_S:
                runs.append(work.run())
                fixed.append(tiny.run_s())
            done += runs
            each_s = statistics.median(run_seconds(each.report) for each in runs)
            net.append((each_s - statistics.median(fixed)) / work.megapixels)
            beside.append(_net(reference, statistics.median(fixed)))
            relative.append(net[-1] / statistics.mean(beside[-2:]))
    run_s = statistics.median(run_seconds(each.report) for each in done)
    return {
        "files": files,
        "size_px": size_px,
        "runs": len(done),
        "run_s": run_s,
        "fixed_s": statistics.median(fixed),
        "s_per_megapixel": statistics.median(net),
        "reference_s_per_megapixel": statistics.median(beside),
        "relative": statistics.median(relative),
        "run_s_per_megapixel": run_s / work.megapixels,
        "busiest": busiest_stage(done[-1].report),
        "stages": stage_seconds(done[-1].report),
        "peak_bytes": max((process.peak_bytes or 0 for process in done), default=0) or None,
    }


def _net(work: _Work, fixed_s: float) -> float:
    """Seconds per megapixel of one run, less what happens once per run."""
    return (work.run_s() - fixed_s) / work.megapixels
