"""The document that a program of this folder writes: program, date, hardware, versions, settings, figures."""

from __future__ import annotations

import datetime
import json
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_cli.bench.environment import describe_environment
from facesr_cli.errors import UsageError

_LOAD_AT_START = os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def document(program: str, settings: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document; infinite and undefined numbers become None."""
    load: dict[str, Any] = {}
    if _LOAD_AT_START is not None:
        # Figures of a busy machine are worth little; so the reader sees what else ran. At the end the load is
        # also that of the program itself.
        load = {
            "load_average_1_min_at_start": round(_LOAD_AT_START, 2),
            "load_average_1_min": round(os.getloadavg()[0], 2),
        }
    whole: dict[str, Any] = _finite(
        {
            "program": program,
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "environment": describe_environment(),
            **load,
            "settings": dict(settings),
            **figures,
        }
    )
    return whole


def check_output(path: Path | None) -> None:
    """Raise UsageError before any work where the folder of `path` is missing."""
    if path is not None and not path.absolute().parent.is_dir():
        raise UsageError(f"-o: there is no folder {path.parent}: create it first")


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the document, at once or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Return median and 95th percentile (nearest rank) of at least one time in seconds."""
    ordered = sorted(seconds)
    rank = max(0, math.ceil(0.95 * len(ordered)) - 1)
    return {"median_s": statistics.median(ordered), "p95_s": ordered[rank]}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
