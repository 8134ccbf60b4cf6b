"""What each value of `--realism` gives and costs: the evidence for its default.

    python -m benchmarks.realism DIR [--model NAME|FILE] [--value V]... [-o RESULT.json] [--strip FILE.png]

DIR holds originals. Each is reduced by each degradation, enlarged with every value and measured by the same
code as `facesr-cli bench`; the table goes to standard output. With --strip, the photograph of `examples/`, as
if it were a small one, is drawn with bicubic and every value beside the original.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facesr_cli.bench.degradations import bicubic
from facesr_cli.bench.environment import describe_environment
from facesr_cli.bench.ground_truth import Preparation, low_resolution, read_ground_truth, read_pixels
from facesr_cli.bench.measures import measure
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.bench.pairs import samples_of
from facesr_cli.errors import FacesrError, UsageError
from facesr_cli.model.catalogue import DEFAULT_MODEL, resolve_model
from facesr_cli.model.upscaler import Upscaler

VALUES = (0.0, 0.25, 0.5, 0.75, 1.0)
DEGRADATIONS = ("paper", "bicubic", "real")
EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "astronaut-512.png"
PANEL_PX = 192
FACE_TOP_PX, FACE_LEFT_PX = 40, 128
"""Where the face of `EXAMPLE` is: the crop is as wide and high as a panel."""
_CAPTION_PX, _GAP_PX, _FONT_PX = 22, 4, 13
COLUMNS = {
    "psnr_db": "PSNR, dB",
    "bicubic_gain_db": "over bicubic, dB",
    "high_frequency_energy": "energy above 0.25 cycles/px",
    "niqe": "NIQE",
    "block_colour_difference": "CIEDE2000 of blocks",
    "low_resolution_consistency_db": "consistency, dB",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, write what was asked for; the exit code is that of facesr-cli."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a network with a partner")
    parser.add_argument("--value", type=float, action="append", dest="values", help="default: quarters")
    parser.add_argument("--degradation", choices=DEGRADATIONS, action="append", dest="degradations")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N photographs by name")
    parser.add_argument("--threads", type=int, metavar="N", help="default: one for each CPU")
    parser.add_argument("-o", "--output", type=Path, metavar="RESULT.json")
    parser.add_argument("--strip", type=Path, metavar="FILE.png")
    arguments = parser.parse_args(argv)
    try:
        document = _document(arguments)
        if arguments.strip:
            _strip(arguments).save(arguments.strip, format="PNG", optimize=True)
        if arguments.output:
            arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except FacesrError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"error: {error.filename}: cannot be written ({error.strerror})\n")
        return UsageError.exit_code
    sys.stdout.write(_table(document["rows"]))
    return 0


def _document(arguments: argparse.Namespace) -> dict[str, Any]:
    samples = samples_of(arguments.folder)[: arguments.limit]
    rows, digests = [], {}
    for value in arguments.values or VALUES:
        with _upscaler(arguments, value) as upscaler:
            digests[f"{value:g}"] = upscaler.info.digest
            for kind in arguments.degradations or DEGRADATIONS:
                figures = []
                for sample in samples:
                    truth = read_ground_truth(sample, Preparation())
                    low = low_resolution(sample, truth, kind, scale=upscaler.scale)
                    figures.append(_figures(upscaler.upscale(low), truth, low, kind))
                rows.append({"realism": value, "degradation": kind, **_means(figures)})
                sys.stderr.write(f"realism {value:g}, {kind}: {len(samples)} photographs\n")
    return {
        "program": "benchmarks.realism",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "environment": describe_environment(),
        "model": arguments.model,
        "digests": digests,
        "images": len(samples),
        "rows": rows,
    }


def _upscaler(arguments: argparse.Namespace, value: float) -> Upscaler:
    path = resolve_model(arguments.model)
    return Upscaler(path, realism=value, provider="cpu", threads=arguments.threads)


def _figures(
    result: NDArray[np.uint8], truth: NDArray[np.uint8], low: NDArray[np.uint8], kind: str
) -> dict[str, float | None]:
    others = measure(result, truth, low, degradation=kind)
    psnr = psnr_db(result, truth)
    return {
        "psnr_db": psnr,
        "bicubic_gain_db": psnr - psnr_db(_bicubic(low), truth),
        "high_frequency_energy": others.high_frequency_energy,
        "niqe": others.niqe,
        "block_colour_difference": others.block_colour_difference,
        "low_resolution_consistency_db": others.low_resolution_consistency_db,
    }


def _means(figures: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """Mean of each figure over the photographs that have it."""
    means: dict[str, float | None] = {}
    for name in COLUMNS:
        known = [value for row in figures if (value := row[name]) is not None]
        means[name] = round(statistics.fmean(known), 4) if known else None
    return means


def _table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [["realism", "degradation", *COLUMNS.values()]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        cells = ["-" if row[name] is None else f"{row[name]:.2f}" for name in COLUMNS]
        lines.append([f"{row['realism']:g}", f"`{row['degradation']}`", *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _strip(arguments: argparse.Namespace) -> Image.Image:
    """One crop beside itself: bicubic, every value, the original."""
    truth = read_pixels(EXAMPLE)
    low = bicubic(truth)
    rows = slice(FACE_TOP_PX, FACE_TOP_PX + PANEL_PX)
    columns = slice(FACE_LEFT_PX, FACE_LEFT_PX + PANEL_PX)
    panels = [("bicubic", _bicubic(low))]
    for value in arguments.values or VALUES:
        with _upscaler(arguments, value) as upscaler:
            panels.append((f"realism {value:g}", upscaler.upscale(low)))
    panels.append(("original", truth))
    canvas = Image.new(
        "RGB", (len(panels) * (PANEL_PX + _GAP_PX) - _GAP_PX, PANEL_PX + _CAPTION_PX), (255, 255, 255)
    )
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=_FONT_PX)
    for index, (caption, image) in enumerate(panels):
        left = index * (PANEL_PX + _GAP_PX)
        draw.text((left + 4, 3), caption, fill=(0, 0, 0), font=font)
        canvas.paste(Image.fromarray(np.ascontiguousarray(image[rows, columns])), (left, _CAPTION_PX))
    return canvas


def _bicubic(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (2 * low.shape[1], 2 * low.shape[0])
    return np.array(Image.fromarray(low).resize(size, Image.Resampling.BICUBIC))


if __name__ == "__main__":
    sys.exit(main())
