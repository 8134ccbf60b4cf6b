"""The report people read: bench.json, bench.md, images.csv and side-by-side crops in one folder."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from pathlib import Path

from facesr_cli.bench.pairs import CROPS, REPORT
from facesr_cli.bench.result import BenchResult, ImageScore, Row
from facesr_cli.bench.speed_table import SPEED, SPEED_HEADINGS, limit_sentence, speed_cells
from facesr_cli.errors import UsageError, WriteFailedError

HEADINGS = (
    "degradation",
    "model",
    "PSNR dB",
    "gain dB",
    "worst dB",
    "better",
    "SSIM",
    "PSNR-Y dB",
    "photos/s",
)
"""Headings of the table, the first two for text. `better`: photographs with a gain above 0, of all."""

BESIDE_PSNR = "Beside PSNR"
"""Title of the second table."""

BESIDE_HEADINGS = (
    "degradation",
    "model",
    "HF energy",
    "NIQE",
    "NIQE of original",
    "CIEDE2000",
    "LR dB",
)
"""Headings of the second table, the first two for text."""


def row_cells(row: Row) -> tuple[str, ...]:
    """Return one table row as text, in the order of `HEADINGS`."""
    return (
        row.degradation,
        row.model,
        f"{row.psnr_db:.2f}",
        f"{row.psnr_gain_db:+.2f}",
        f"{row.psnr_min_db:.2f}",
        f"{row.better_than_bicubic}/{row.images}",
        f"{row.ssim:.4f}",
        f"{row.psnr_y_db:.2f}",
        _number(row.images_per_s, 2),
    )


def beside_cells(row: Row) -> tuple[str, ...]:
    """Return one row of the second table as text, in the order of `BESIDE_HEADINGS`."""
    return (
        row.degradation,
        row.model,
        _number(row.high_frequency_energy, 2),
        _number(row.niqe, 2),
        _number(row.niqe_original, 2),
        _number(row.block_colour_difference, 3),
        _number(row.low_resolution_consistency_db, 2),
    )


def json_text(result: BenchResult) -> str:
    """Return the JSON document with a final newline."""
    return json.dumps(result.to_json(), indent=2, allow_nan=False) + "\n"


def markdown(result: BenchResult) -> str:
    """Return the tables, the protocol, speed and what limits it, the machine and what failed, as Markdown."""
    lines = ["# Benchmark", "", f"facesr-cli {result.version}, {result.date}", ""]
    lines += markdown_table(HEADINGS, [row_cells(row) for row in result.rows], text_columns=2)
    if result.rows:
        lines += ["", f"## {BESIDE_PSNR}", ""]
        lines += markdown_table(BESIDE_HEADINGS, [beside_cells(row) for row in result.rows], text_columns=2)
    else:
        lines.append("No photograph could be measured.")
    lines += ["", "## Protocol", ""]
    lines += [f"- **{topic}**: {sentence}" for topic, sentence in result.protocol.items()]
    if result.throughput:
        lines += ["", f"## {SPEED}", ""]
        cells = [speed_cells(name, figures) for name, figures in result.throughput.items()]
        lines += markdown_table(SPEED_HEADINGS, cells, text_columns=1)
        limits = [limit_sentence(name, figures) for name, figures in result.throughput.items()]
        lines += ["", *(f"- {escaped(sentence)}" for sentence in limits if sentence)]
    lines += ["", "## Models and machine", ""]
    lines += [
        f"- **{escaped(used.title)}**, {used.digest}: {used.provider_actual} "
        f"(asked for {used.provider_requested}), {used.device}, {used.precision}"
        for used in result.models
    ]
    lines += [f"- {name}: {value}" for name, value in result.environment.items()]
    if result.pictures:
        lines += ["", "## Best, median and worst", ""]
        for picture in result.pictures:
            lines += [
                escaped(picture.caption),
                "",
                f"![{escaped(picture.caption)}]({CROPS}/{picture.name})",
                "",
            ]
    if result.failures:
        lines += ["", "## Failed", ""]
        lines += [f"- {escaped(item.file)}: {escaped(item.message)}" for item in result.failures]
    return "\n".join(lines).rstrip() + "\n"


def images_csv(result: BenchResult) -> str:
    """Return one line per photograph, model and degradation, with a heading line."""
    buffer = io.StringIO()
    names = [field.name for field in dataclasses.fields(ImageScore)]
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(image) for image in result.images)
    return buffer.getvalue()


def prepare_folder(folder: Path) -> None:
    """Create the report's folder, before any work starts.

    Raises:
        UsageError: It cannot be created or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the report folder {folder}: {error.strerror or error}") from error


def write_report(result: BenchResult, folder: Path) -> None:
    """Write the report; files of an earlier one are replaced, each at once or not at all.

    Raises:
        WriteFailedError: A file cannot be written.
    """
    files = {
        name: text.encode(errors="backslashreplace")  # names of files may be no text at all
        for name, text in (
            (REPORT, json_text(result)),
            ("bench.md", markdown(result)),
            ("images.csv", images_csv(result)),
        )
    }
    files |= {f"{CROPS}/{picture.name}": picture.png for picture in result.pictures}
    for name, data in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, data)
        except OSError as error:
            raise WriteFailedError(
                "write-failed", f"cannot write {path}: {error.strerror or error}; check space and permission"
            ) from error


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def markdown_table(headings: tuple[str, ...], rows: list[tuple[str, ...]], *, text_columns: int) -> list[str]:
    """Return the lines of a Markdown table, whose first columns are text; none without rows."""
    if not rows:
        return []
    rule = ["---" if column < text_columns else "---:" for column in range(len(headings))]
    return [f"| {' | '.join(map(escaped, cells))} |" for cells in (headings, tuple(rule), *rows)]


def escaped(text: str) -> str:
    """Keep file and model names from being read as Markdown, and multi-line messages on one line."""
    for character in "\\|[]*_`<":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
