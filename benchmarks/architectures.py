"""Networks of about equal cost, trained for equal minutes with one recipe.

    python -m benchmarks.architectures --data DIR --minutes M -o RESULT.json [--recipe NAME|FILE.toml]

First the rate of optimiser steps of each candidate of architectures.toml is measured, all in turn; minutes
times that rate is the number of steps that it gets. So only this first part, a few minutes, and the last need
an otherwise idle machine, and what else runs in between changes no figure.

Then it trains each candidate, exports it, and prints a table: parameters, GFLOP, optimiser steps, PSNR of the
averaged weights on all held-out photographs after the last step, and the median seconds of a 512x512
photograph in onnxruntime on the CPU, all networks in turn.

The same command continues what was stopped: rates and candidates in RESULT.json are not made again, and one
that is half-trained goes on from its checkpoint. Seconds are measured anew each time.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from benchmarks.training import few_photographs, trained_on
from facesr_cli.bench.environment import describe_environment
from facesr_cli.errors import FacesrError, UsageError
from facesr_cli.model.hardware import usable_cpus
from facesr_export.conversion import INPUT_NAME
from facesr_export.exporter import export_checkpoint
from facesr_train.checkpoint import LAST_NAME, averaged_generator
from facesr_train.generators.cost import cost
from facesr_train.photographs import find_photographs
from facesr_train.recipe import Recipe, load_recipe, recipe_from_dict
from facesr_train.session import TrainSettings, run_training

SIDE_PX = 512
"""Side of the photograph that GFLOP and seconds are stated for."""
RATE_ROUNDS = 5
RATE_ROUND_S = 6.0
"""Rounds in which the candidates' rates are measured, and the seconds of each candidate in a round."""
HELD_OUT = 1000
"""Validate on all held-out photographs, up to so many, where a recipe takes a few to save time."""


def main(argv: Sequence[str] | None = None) -> int:
    """Search, print the table and write the result file; the exit code is that of facesr-cli."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs, as of `train`")
    parser.add_argument("--minutes", type=float, required=True, help="training time of each candidate")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RESULT.json")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="checkpoints; default: runs/RESULT")
    parser.add_argument("--recipe", default="face-x2", help="everything but the generator")
    parser.add_argument("--candidates", type=Path, default=Path(__file__).with_suffix(".toml"))
    parser.add_argument("--seed", type=int, default=0, help="one seed to a result file")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="to train on")
    parser.add_argument("--repeats", type=int, default=15, help="timed photographs per candidate")
    arguments = parser.parse_args(argv)
    try:
        document = _search(arguments)
    except FacesrError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(_table(document))
    return 0


def _search(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train what is missing, time everything, and return the result file's document.

    Raises:
        UsageError: The settings contradict each other or those of what is there already.
        FacesrError: Training or export failed, as those say.
    """
    if arguments.minutes <= 0 or arguments.repeats < 1:
        raise UsageError("--minutes must be positive, and --repeats at least 1")
    recipes = _recipes(arguments)
    find_photographs(arguments.data)  # a mistyped folder must not end up in the result file
    settings = {"minutes": arguments.minutes, "data": arguments.data.resolve().name}
    runs: Path = arguments.runs or Path("runs") / arguments.output.stem
    if runs.exists() and not arguments.output.exists():
        raise UsageError(f"{runs}: left from another search; remove it or name another --runs")
    document = _resumed(arguments.output, settings, recipes)
    if document["rates"].keys() != recipes.keys():
        document["rates"] = _rates(recipes, arguments)
        _write(arguments.output, document)
    for name, recipe in recipes.items():
        if name not in document["rows"]:
            sys.stderr.write(f"{name}:\n")
            steps = max(1, round(document["rates"][name] * arguments.minutes * 60))
            document["rows"][name] = _trained(recipe, steps, runs / name, arguments)
            _write(arguments.output, document)
    seconds = _seconds({name: runs / name / "network.onnx" for name in recipes}, arguments.repeats)
    for name, row in document["rows"].items():
        row["seconds"] = seconds.get(name, row.get("seconds"))
    _write(arguments.output, document)
    return document


def _recipes(arguments: argparse.Namespace) -> dict[str, Recipe]:
    """Candidate -> the recipe with its generator.

    Raises:
        UsageError: The candidates' file cannot be read, or one of them is not a generator.
    """
    base = load_recipe(arguments.recipe)
    run = dataclasses.replace(base.run, seed=arguments.seed, validation_photographs=HELD_OUT)
    values = dataclasses.replace(base, run=run).to_dict()
    path: Path = arguments.candidates
    try:
        candidates = tomllib.loads(path.read_text(encoding="utf-8"))
        if not candidates:
            raise ValueError("there are none")
        return {
            name: recipe_from_dict(values | {"name": f"{base.name}-{name}", "generator": generator})
            for name, generator in candidates.items()
        }
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as candidates ({error})") from error


def _resumed(output: Path, settings: Mapping[str, Any], recipes: Mapping[str, Recipe]) -> dict[str, Any]:
    """The document in `output`, or a new one that is written there.

    Raises:
        UsageError: `output` was made with other settings or candidates, or cannot be read or written.
    """
    document: dict[str, Any] = {
        "program": "benchmarks.architectures",
        "settings": settings,
        "rates": {},
        "rows": {},
    }
    if output.exists():
        try:
            document = json.loads(output.read_text(encoding="utf-8"))
            known = {name: row["recipe"] for name, row in document["rows"].items()}
            before = document["settings"]
            document["rates"].keys()
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UsageError(f"{output}: cannot be read as a result of this program ({error})") from error
        wanted = {name: _label(recipe) for name, recipe in recipes.items()}
        if before != settings or not known.items() <= wanted.items():
            raise UsageError(f"{output}: made with other settings, recipe or candidates; name another -o")
    _write(output, document)
    return document


def _rates(recipes: Mapping[str, Recipe], arguments: argparse.Namespace) -> dict[str, float]:
    """Median optimiser steps per second of each candidate, on the batches and the device that it trains with.

    The clock runs over drawing a batch, both passes, the optimiser and the average, as in a run; a first
    round is not counted.
    """
    measured: dict[str, list[float]] = {name: [] for name in recipes}
    with tempfile.TemporaryDirectory() as folder:
        few = few_photographs(arguments.data, Path(folder))
        for turn in range(1 + RATE_ROUNDS):
            for name, recipe in recipes.items():
                run = dataclasses.replace(recipe.run, epoch_steps=HELD_OUT**2, validation_photographs=1)
                checkpoint = run_training(
                    dataclasses.replace(recipe, run=run),
                    TrainSettings(
                        data=few,
                        out=Path(folder) / f"{turn}-{name}",
                        max_minutes=RATE_ROUND_S / 60,
                        device=arguments.device,
                    ),
                )
                assert checkpoint is not None
                if turn:
                    measured[name].append(checkpoint.step / checkpoint.elapsed_s)
    return {name: round(statistics.median(values), 3) for name, values in measured.items()}


def _trained(recipe: Recipe, steps: int, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one candidate for `steps`, export it to `folder`, and return its row."""
    checkpoint = run_training(
        dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, steps=steps)),
        TrainSettings(
            data=arguments.data,
            out=folder,
            resume=(folder / LAST_NAME).exists(),
            device=arguments.device,
        ),
    )
    assert checkpoint is not None
    report = export_checkpoint(folder / LAST_NAME, folder / "network.onnx")
    expense = cost(averaged_generator(checkpoint), SIDE_PX, SIDE_PX)
    return {
        "recipe": _label(recipe),
        "generator": recipe.to_dict()["generator"],
        "parameters": expense.parameters,
        "gflop": round(expense.gflop, 2),
        "halo": report.info.halo,
        "steps": checkpoint.step,
        "training_s": round(checkpoint.elapsed_s, 1),
        "photographs": checkpoint.data,
        "psnr_db": checkpoint.val_psnr_db,
        "bicubic_psnr_db": checkpoint.val_bicubic_psnr_db,
        "parity": report.info.parity,
        "trained_on": trained_on(arguments.device),
    }


def _seconds(networks: Mapping[str, Path], repeats: int) -> dict[str, float]:
    """Median seconds of one photograph by network, the network alone; after a warm-up, in turn."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cpus()
    sessions = {
        name: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for name, path in networks.items()
    }
    image = np.random.default_rng(0).random((1, 3, SIDE_PX, SIDE_PX), dtype=np.float32)
    taken_s: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(1 + repeats):
        for name, session in sessions.items():
            begun_s = time.perf_counter()
            session.run(None, {INPUT_NAME: image})
            taken_s[name].append(time.perf_counter() - begun_s)
    return {name: round(statistics.median(values[1:]), 4) for name, values in taken_s.items()}


def _table(document: Mapping[str, Any]) -> str:
    """The rows as Markdown, PSNR in dB with the gain over bicubic in brackets."""
    rows: dict[str, dict[str, Any]] = document["rows"]
    kinds = list(next(iter(rows.values()))["psnr_db"])
    head = ["architecture", "parameters", "GFLOP", "steps", *(f"`{kind}`" for kind in kinds), "seconds"]
    lines = [head, ["---"] * len(head)]
    for name, row in rows.items():
        psnr = (
            f"{row['psnr_db'][kind]:.2f} ({row['psnr_db'][kind] - row['bicubic_psnr_db'][kind]:+.2f})"
            for kind in kinds
        )
        figures = [f"{row['parameters']:,}", f"{row['gflop']:.1f}", f"{row['steps']:,}"]
        lines.append([name, *figures, *psnr, f"{row['seconds']:.3f}"])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _write(output: Path, document: dict[str, Any]) -> None:
    document |= {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "environment": describe_environment() | {"torch": torch.__version__},
        "threads": usable_cpus(),
    }
    temporary = output.with_name(f".{output.name}.part")
    try:
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, output)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _label(recipe: Recipe) -> str:
    return f"{recipe.name} {recipe.digest}"


if __name__ == "__main__":
    raise SystemExit(main())
