"""Start-up: seconds before anything useful happens, in processes of their own, and the dearest imports."""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.command import facesr_cli, run, stage_seconds
from benchmarks.cpu.options import Figures, Options, Say
from benchmarks.photographs import write_jpegs
from benchmarks.resultfile import summary
from facesr_cli.model.catalogue import resolve_model

MOST_HELP_S = 0.3
MOST_FIRST_S = 1.5
"""Seconds that the project asks of itself."""

_DEAREST = 6
# https://docs.python.org/3/using/cmdline.html#cmdoption-X: self [us] | cumulative | name, by indentation
_IMPORT = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)


def measure(options: Options, say: Say) -> Figures:
    """Time the commands; the first run of each, which may fill caches, is told apart from the others."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="facesr-startup-") as folder:
        (photo,) = write_jpegs(Path(folder) / "in", 1, options.size_px)
        # Its own cache folder, so that the first run really is one.
        environment = {"XDG_CACHE_HOME": str(Path(folder) / "cache")}
        upscale = (
            *("upscale", photo, "-o", Path(folder) / "out.jpg", "--model", options.models[0]),
            *("--provider", "cpu", "--existing", "overwrite", "--json", "-q"),
        )
        for name, command, most_s in (
            ("python alone", [sys.executable, "-c", "pass"], None),
            ("import onnxruntime", [sys.executable, "-c", "import onnxruntime"], None),
            ("facesr-cli --help", facesr_cli("--help"), MOST_HELP_S),
            ("first photograph", facesr_cli(*upscale), MOST_FIRST_S),
        ):
            say(f"startup: {name}")
            first = run(command, environment=environment)
            done = [run(command, environment=environment) for _ in range(options.repeats)]
            row: dict[str, Any] = {"name": name, "first_run_s": first.elapsed_s}
            row |= summary([process.elapsed_s for process in done])
            row["asked_for"] = most_s
            if command[1] == "-m":
                imports = run([command[0], "-X", "importtime", *command[1:]], environment=environment)
                row["dearest_imports"] = dearest_imports(imports.stderr)
            if name == "first photograph":
                stages = stage_seconds(done[-1].report)
                row["stages"] = stages
                row["outside_stages_s"] = done[-1].elapsed_s - sum(stages.values())
            rows.append(row)
        say("startup: opening the network")
        session = _opening(options.models[0], Path(folder) / "optimised.onnx", options.repeats)
    return {"rows": rows, "session": session}


def _opening(model: str, kept: Path, repeats: int) -> dict[str, float]:
    """Median seconds to open the network's graph, and to open one that onnxruntime has optimised before.

    The difference is what keeping the optimised graph would save. It goes to `kept`.
    """
    import onnxruntime

    graph = resolve_model(model).read_bytes()

    def opened(source: bytes, level: Any, keep: str = "") -> float:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        options.optimized_model_filepath = keep
        options.log_severity_level = 3  # it warns that such a file is for this processor alone
        begun_s = time.perf_counter()
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        return time.perf_counter() - begun_s

    levels = onnxruntime.GraphOptimizationLevel
    opened(graph, levels.ORT_ENABLE_ALL, str(kept))
    optimised = kept.read_bytes()
    pairs = [
        (opened(graph, levels.ORT_ENABLE_ALL), opened(optimised, levels.ORT_DISABLE_ALL))
        for _ in range(repeats)
    ]
    names = ("as_it_is_s", "optimised_before_s")
    return {
        name: statistics.median(times) for name, times in zip(names, zip(*pairs, strict=True), strict=True)
    }


def dearest_imports(said: str) -> dict[str, float]:
    """Return milliseconds by module from the output of `python -X importtime`, the dearest first."""
    found = [(int(self_us) / 1000, name) for self_us, name in _IMPORT.findall(said)]
    return {name: self_ms for self_ms, name in sorted(found, reverse=True)[:_DEAREST]}


def lines(figures: Figures) -> list[str]:
    """Return the table as text."""
    found = []
    for row in figures["rows"]:
        asked = "" if row["asked_for"] is None else f", asked for: {row['asked_for']} s"
        found.append(
            f"{row['name']}: {row['median_s']:.3f} s ({row['p95_s']:.3f}), "
            f"first run {row['first_run_s']:.3f} s{asked}"
        )
        if "stages" in row:
            found.append(f"  outside decode, inference and encode: {row['outside_stages_s']:.3f} s")
        if "dearest_imports" in row:
            imports = ", ".join(f"{name} {ms:.0f} ms" for name, ms in row["dearest_imports"].items())
            found.append(f"  dearest imports, by themselves: {imports}")
    session = figures["session"]
    found.append(
        f"opening the network: {1000 * session['as_it_is_s']:.0f} ms, "
        f"with a graph that was optimised before {1000 * session['optimised_before_s']:.0f} ms"
    )
    return found
