"""How close the pipeline comes to its busiest stage, and how much of the cores the stages fill together."""

from __future__ import annotations

from benchmarks.cpu.options import Figures, Options, Say
from benchmarks.pipeline import measure_pipeline, pipeline_line


def measure(options: Options, say: Say) -> Figures:
    """Measure every model on the plain provider."""
    rows = []
    for model in options.models:
        say(f"pipeline: {model}")
        rows.append(measure_pipeline(model, provider="cpu", size_px=options.size_px))
    return {"rows": rows}


def lines(figures: Figures) -> list[str]:
    """Return the table as text."""
    return [pipeline_line(row) for row in figures["rows"]]
