"""Two result files of one program side by side: figures, ratios, and what differs in hardware and versions.

    python -m benchmarks.compare A.json B.json [--slower 1.10] [--all] [--json]

A is the older one. A rate (photographs/s, GFLOP/s) is slower by A/B, a time by B/A; medians and rates are
judged, 95th percentiles, memory and quality are shown only. Exit codes: 0 no judged figure of B is slower
than A by more than the factor --slower; 1 one is; 2 the files cannot be compared. A difference in hardware
or versions is said, and does not end the comparison.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facesr_cli.errors import FacesrError, UsageError

SLOWER = 1.10
"""Less is within what two runs of one program on one idle machine may differ by."""

_NAMES = (
    *("part", "case", "name", "model", "program", "degradation", "provider", "precision", "kind", "pool"),
    *("workers", "batch", "size_px", "files", "level", "subsampling", "image"),
)
"""Keys that tell the rows of a list apart, in the order of the label."""

_LEFT_OUT = {
    *("environment", "settings", "protocol", "images", "scores", "failures", "models", "programs"),
    *(
        "real_parameters",
        "load_average_1_min",
        "load_average_1_min_at_start",
        "date",
        "version",
        "counts",
        "rows_by_photograph",
    ),
}
_RATES = ("_per_s",)
_TIMES = ("_s", "seconds", "s_per_megapixel")
_SHOWN = ("_bytes", "_gib", "_db", "share_of_limit", "share_of_busiest", "ratio", "ssim", "_gb", "_megapixel")
_NOT_JUDGED = ("p95", "limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of both files."""

    figure: str
    a: float
    b: float
    slower: float | None
    """How many times slower B is than A; None for figures that are no speed."""

    @property
    def ratio(self) -> float | None:
        """B over A."""
        return self.b / self.a if self.a else None


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", type=Path, metavar="A.json")
    parser.add_argument("b", type=Path, metavar="B.json")
    parser.add_argument(
        "--slower", type=float, default=SLOWER, metavar="FACTOR", help=f"default: {SLOWER:.2f}"
    )
    parser.add_argument("--all", action="store_true", help="also figures that are no speed")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args(argv)
    try:
        if arguments.slower < 1:
            raise UsageError(f"--slower is {arguments.slower:g}: expected a factor of at least 1")
        a, b = _read(arguments.a), _read(arguments.b)
        if _program(a) != _program(b):
            raise UsageError(
                f"{arguments.a} is of {_program(a)}, {arguments.b} of {_program(b)}: "
                "compare two files of one program"
            )
        rows = rows_of(a, b)
        if not rows:
            raise UsageError(f"{arguments.a} and {arguments.b} have no figure in common")
    except FacesrError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    slower = [row for row in rows if row.slower is not None and row.slower > arguments.slower]
    if arguments.as_json:
        sys.stdout.write(json.dumps(_document(a, b, rows, slower, arguments.slower), indent=2) + "\n")
    else:
        shown = [row for row in rows if arguments.all or row.slower is not None]
        sys.stdout.write(_text(a, b, shown, slower, arguments.slower))
    return 1 if slower else 0


def rows_of(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Row]:
    """Return the figures that both documents have, in the order of A."""
    of_a, of_b = dict(_figures(a, ())), dict(_figures(b, ()))
    return [
        Row(figure=name, a=of_a[name], b=of_b[name], slower=_slower(name, of_a[name], of_b[name]))
        for name in of_a
        if name in of_b
    ]


def only_in_one(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the figures that only A has, and those that only B has."""
    of_a, of_b = dict(_figures(a, ())), dict(_figures(b, ()))
    return [name for name in of_a if name not in of_b], [name for name in of_b if name not in of_a]


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (name, of A, of B) where hardware, versions or settings differ; `-` for what one lacks."""
    found = []
    for group in ("environment", "settings"):
        of_a, of_b = a.get(group, {}), b.get(group, {})
        for name in dict.fromkeys((*of_a, *of_b)):
            if of_a.get(name) != of_b.get(name):
                found.append((name, str(of_a.get(name, "-")), str(of_b.get(name, "-"))))
    return found


def _figures(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _LEFT_OUT:
                yield from _figures(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _figures(item, (*path, _label(item) or str(index)))
    elif isinstance(value, int | float) and not isinstance(value, bool) and _is_figure(path):
        yield " / ".join(path), float(value)


def _label(item: Any) -> str:
    if not isinstance(item, Mapping):
        return ""
    return ", ".join(
        f"{item[key]}" if isinstance(item[key], str) else f"{key} {item[key]}"
        for key in _NAMES
        if isinstance(item.get(key), str | int)
    )


def _is_figure(path: tuple[str, ...]) -> bool:
    # Rates by stage have the name of the stage as their key, below the name of the rate.
    return any(key.endswith((*_RATES, *_TIMES, *_SHOWN)) for key in path)


def _slower(name: str, a: float, b: float) -> float | None:
    keys = name.split(" / ")
    key = next(key for key in reversed(keys) if _is_figure((key,)))
    # The seconds of a whole benchmark, and what the machine can do, are no speed of ours.
    whole = keys == ["elapsed_s"]
    if whole or any(word in part for word in _NOT_JUDGED for part in keys) or a <= 0 or b <= 0:
        return None
    if key.endswith(_RATES):
        return a / b
    return b / a if key.endswith(_TIMES) else None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as a result file ({error})") from error
    if not isinstance(content, dict) or not _program(content):
        raise UsageError(f"{path}: no result file: it does not say which program made it")
    return content


def _program(content: Mapping[str, Any]) -> str:
    return str(content.get("program") or content.get("command") or "")


def _text(
    a: Mapping[str, Any], b: Mapping[str, Any], rows: Sequence[Row], slower: Sequence[Row], factor: float
) -> str:
    lines = [f"{_program(a)}: A of {a.get('date', '-')}, B of {b.get('date', '-')}", ""]
    cells: list[tuple[str, ...]] = [
        (
            row.figure,
            f"{row.a:.5g}",
            f"{row.b:.5g}",
            "-" if row.ratio is None else f"{row.ratio:.3f}",
            "" if row.slower is None else f"{row.slower:.2f}{' SLOWER' if row in slower else ''}",
        )
        for row in rows
    ]
    lines += _aligned([("figure", "A", "B", "B/A", "times slower"), *cells])
    changed = differences(a, b)
    lines += ["", "Hardware, versions and settings: " + ("different" if changed else "the same")]
    lines += [f"- {name}: {old} -> {new}" for name, old, new in changed]
    for letter, names in zip("AB", only_in_one(a, b), strict=True):
        lines += [f"- only in {letter}: {name}" for name in names]
    lines += ["", f"{len(slower)} of {len(rows)} figures slower than {factor:.2f} times"]
    return "\n".join(lines) + "\n"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _document(
    a: Mapping[str, Any], b: Mapping[str, Any], rows: Sequence[Row], slower: Sequence[Row], factor: float
) -> dict[str, Any]:
    old, new = only_in_one(a, b)
    return {
        "program": _program(a),
        "dates": [a.get("date"), b.get("date")],
        "threshold": factor,
        "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
        "slower": [row.figure for row in slower],
        "differences": [{"name": name, "a": of_a, "b": of_b} for name, of_a, of_b in differences(a, b)],
        "only_in_a": old,
        "only_in_b": new,
    }


if __name__ == "__main__":
    raise SystemExit(main())
