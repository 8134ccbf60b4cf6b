"""The figures, the table and the picture strip of `benchmarks.literature`.

A network is run here without the check of `upscale` that refuses a picture whose brightness has drifted,
since a system is to be measured as it is; how many pictures are off by more than that check allows to all
networks is a figure of its own.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.network import open_network
from benchmarks.photographs import EXAMPLE
from facesr_cli.bench.baselines import BASELINES, enlarge
from facesr_cli.bench.crops import detailed_window
from facesr_cli.bench.degradations import REPEATABLE
from facesr_cli.bench.ground_truth import Preparation, low_resolution, read_ground_truth, read_pixels
from facesr_cli.bench.measures import measure
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.bench.pairs import Sample, samples_of
from facesr_cli.bench.similarity import ssim
from facesr_cli.errors import MissingExtraError
from facesr_cli.model.hardware import usable_cpus
from facesr_cli.model.network import MAX_DRIFT_LEVELS
from facesr_train.losses.edges import EdgeMaskConfig, edge_mask
from facesr_train.losses.identity import IdentityConfig, IdentityLoss

PAPER_PSNR_DB = 25.66
"""What the paper reports on its own photographs, which are not ours."""
SIDE_PX = 512
"""Of the photograph that seconds are stated for."""
BESIDE = ("bilinear", "bicubic", "face-x2")
"""In every table and picture."""
PADDED_TO = 4
"""Sides are repeated at the edge to a multiple of this, which all networks of the literature can take."""
PANEL_PX, COLUMNS_OF_STRIP = 160, 6
_CAPTION_PX, _GAP_PX, _FONT_PX = 20, 4, 12

Pixels = NDArray[np.uint8]
Enlarge = Callable[[Pixels], Pixels]
"""From (h, w, 3) uint8 RGB to (2h, 2w, 3) uint8 RGB."""

COLUMNS = {
    "psnr_db": ("PSNR, dB", "{:.2f}"),
    "edge_psnr_db": ("on edges", "{:.2f}"),
    "flat_psnr_db": ("off edges", "{:.2f}"),
    "ssim": ("SSIM", "{:.3f}"),
    "niqe": ("NIQE", "{:.2f}"),
    "high_frequency_energy": ("energy above 0.25 cycles/px", "{:.2f}"),
    "identity_distance": ("identity distance", "{:.4f}"),
    "block_colour_difference": ("CIEDE2000 of blocks", "{:.2f}"),
    "parameters": ("parameters", "{:,}"),
    "steps": ("steps", "{:,}"),
    "training_s": ("training, s", "{:.0f}"),
    "seconds": ("seconds", "{:.3f}"),
    "drifted": ("brightness off by 8 levels", "{}"),
}

VARIANT_COLUMNS = (
    *("psnr_db", "edge_psnr_db", "flat_psnr_db", "ssim", "niqe", "high_frequency_energy"),
    *("identity_distance", "block_colour_difference", "steps"),
)


def measured(network: str | Path, folder: Path, degradation: str, *, limit: int | None) -> dict[str, Any]:
    """Means over the photographs of a folder.

    Args:
        network: A baseline, the name of a network, or a file.
        folder: Originals.
        degradation: What they are reduced by.
        limit: Only so many, by name.

    Raises:
        FacesrError: A photograph or the network cannot be read.
    """
    once = opened(network)
    faces = identity_distance()

    def measure_one(sample: Sample) -> tuple[dict[str, float | None], bool]:
        truth = read_ground_truth(sample, Preparation())
        low = low_resolution(sample, truth, degradation, scale=2)
        result = once(low)
        others = measure(result, truth, low, degradation=degradation)
        row = {
            "psnr_db": psnr_db(result, truth),
            **edge_psnr_db(result, truth),
            "ssim": ssim(result, truth),
            "niqe": others.niqe,
            "high_frequency_energy": others.high_frequency_energy,
            "identity_distance": None if faces is None else faces(result, truth),
            "block_colour_difference": others.block_colour_difference,
        }
        return row, abs(float(result.mean()) - float(low.mean())) > MAX_DRIFT_LEVELS

    samples = samples_of(folder)[:limit]
    with ThreadPoolExecutor(usable_cpus()) as pool:
        found = list(pool.map(measure_one, samples))
    rows, drifted = [row for row, _ in found], sum(is_off for _, is_off in found)
    means = {name: _mean([row[name] for row in rows]) for name in rows[0]}
    return means | {"images": len(samples), "drifted": drifted}


def opened(network: str | Path) -> Enlarge:
    """A baseline, or a network on the CPU in fp32.

    Raises:
        FacesrError: There is no such network, or it is broken.
    """
    if str(network) in BASELINES:
        return lambda low: enlarge(low, str(network), scale=2)
    engine, _ = open_network(str(network), provider="cpu", device=0, precision="fp32")

    def run(low: Pixels) -> Pixels:
        height, width = low.shape[:2]
        edges = ((0, -height % PADDED_TO), (0, -width % PADDED_TO), (0, 0))
        padded = np.pad(low, edges, mode="edge")
        result, _ = engine.run(padded[np.newaxis])
        return np.asarray(result[0, : 2 * height, : 2 * width], np.uint8)

    return run


def edge_psnr_db(result: Pixels, truth: Pixels) -> dict[str, float | None]:
    """PSNR over the edges of the original, as the recipe `edge` finds them, and over all other pixels.

    None where there are no such pixels, or where they are equal.
    """
    original = torch.from_numpy(truth.copy()).permute(2, 0, 1)[None].double() / 255
    mask = edge_mask(original, EdgeMaskConfig())[0, 0].numpy() > 0
    squared = np.subtract(result, truth, dtype=np.float64) ** 2

    def over(pixels: NDArray[np.bool_]) -> float | None:
        error = float(squared[pixels].mean()) if pixels.any() else 0.0
        return 10 * math.log10(255**2 / error) if error else None

    return {"edge_psnr_db": over(mask), "flat_psnr_db": over(~mask)}


def distance_of_people(folder: Path, *, limit: int | None) -> float | None:
    """Mean identity distance of neighbours by name; the folder has one photograph of a person.

    None where there are no two, or as for `identity_distance`. Originals are squares of one size.
    """
    faces = identity_distance()
    if faces is None:
        return None
    truths = (read_ground_truth(sample, Preparation()) for sample in samples_of(folder)[:limit])
    return _mean([faces(one, other) for one, other in pairwise(truths)])


def identity_distance() -> Callable[[Pixels, Pixels], float | None] | None:
    """1 - cosine of dlib's embeddings of two aligned photographs; None where the extra is not installed."""
    try:
        loss = IdentityLoss.build(IdentityConfig())
    except MissingExtraError:
        return None

    @torch.no_grad()
    def distance(result: Pixels, truth: Pixels) -> float | None:
        pictures = [torch.from_numpy(each.copy()).permute(2, 0, 1)[None] / 255 for each in (result, truth)]
        try:
            return float(loss(*pictures))
        except ValueError:  # not square, or too small for a face of 150 px
            return None

    return distance


def seconds_of(networks: Mapping[str, str | Path], repeats: int) -> dict[str, float]:
    """Median seconds of one photograph by network, after one that is not counted; all in turn."""
    photograph = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    once = {name: opened(network) for name, network in networks.items()}
    taken_s: dict[str, list[float]] = {name: [] for name in once}
    for _ in range(1 + repeats):
        for name, run in once.items():
            begun_s = time.perf_counter()
            run(photograph)
            taken_s[name].append(time.perf_counter() - begun_s)
    return {name: round(statistics.median(values[1:]), 4) for name, values in taken_s.items()}


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The rows as Markdown; what was not measured is a dash, what could not be trained says why below."""
    variants = {name: row for name, row in rows.items() if "variant_of" in row}
    text = _markdown({name: row for name, row in rows.items() if name not in variants}, COLUMNS)
    if variants:
        pairs = {row["variant_of"]: rows[row["variant_of"]] for row in variants.values()} | variants
        order = sorted(pairs, key=lambda name: (pairs[name].get("variant_of", name), name in variants))
        short = {key: column for key, column in COLUMNS.items() if key in VARIANT_COLUMNS}
        text += "\nVariants:\n\n" + _markdown({name: pairs[name] for name in order}, short)
    missing = [f"- `{name}`: {row['missing']}\n" for name, row in rows.items() if "missing" in row]
    return text + ("\nNot trained here:\n\n" + "".join(missing) if missing else "")


def _markdown(rows: Mapping[str, Mapping[str, Any]], columns: Mapping[str, tuple[str, str]]) -> str:
    """One line to a row; what could not be trained is left out."""
    lines = [["system", *(title for title, _ in columns.values())]]
    lines.append(["---"] * len(lines[0]))
    for name, row in rows.items():
        if "missing" not in row:
            cells = [
                "-" if row.get(key) is None else form.format(row[key]) for key, (_, form) in columns.items()
            ]
            lines.append([name, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def strip(networks: Mapping[str, str | Path], degradation: str) -> Image.Image:
    """One crop of the public example: the baselines, every network, the original."""
    truth = read_pixels(EXAMPLE)
    low = REPEATABLE[degradation](truth)
    rows, columns = detailed_window(truth, PANEL_PX)
    beside = {name: name for name in BESIDE}
    panels = [(name, opened(network)(low)) for name, network in {**beside, **networks}.items()]
    panels.append(("original", truth))
    across = min(COLUMNS_OF_STRIP, len(panels))
    width_px, height_px = PANEL_PX + _GAP_PX, PANEL_PX + _CAPTION_PX
    size = (across * width_px - _GAP_PX, math.ceil(len(panels) / across) * height_px)
    canvas = Image.new("RGB", size, (255, 255, 255))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=_FONT_PX)
    for index, (caption, picture) in enumerate(panels):
        left, top = index % across * width_px, index // across * height_px
        draw.text((left + 4, top + 2), caption, fill=(0, 0, 0), font=font)
        crop = np.ascontiguousarray(picture[rows, columns])
        canvas.paste(Image.fromarray(crop), (left, top + _CAPTION_PX))
    return canvas


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.fmean(known), 5) if known else None
