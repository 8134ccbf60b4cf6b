"""What mechanisms of the literature do for our own networks, at equal minutes and from equal weights.

    python -m benchmarks.mechanisms RECIPE --init WEIGHTS --data DIR --photographs VAL --minutes M \\
        -o RESULT.json [--ranker ranker.npz] [--set KEY=VALUE]... [--table TABLE.md]

RECIPE (face-x2 or face-x2-gan) is trained from WEIGHTS several times: as it is, and with each change that
mechanisms.toml names for it. Then each is exported and measured on the photographs of --photographs, once for
each degradation of the recipe, beside bicubic and WEIGHTS as they were. These photographs decide about
recipes, so they should not be those that results are reported on.

The budget is in steps: the rate of each trial is measured first, all in turn, and minutes times that rate is
the number of steps that it gets. So only this part needs an idle machine, and a loss that costs time pays for
it in steps.

The same command continues what was stopped: what is in RESULT.json is not made again, and a half-trained
trial goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.literature_figures import measured
from benchmarks.resultfile import check_output, document, write
from benchmarks.training import measured_rates, resumed, trained_on
from facesr_cli.bench.pairs import samples_of
from facesr_cli.errors import FacesrError, UsageError
from facesr_cli.model.info import read_model
from facesr_export.exporter import export_checkpoint
from facesr_train.changes import changed
from facesr_train.checkpoint import LAST_NAME, load_checkpoint
from facesr_train.initial import read_initial
from facesr_train.photographs import find_photographs
from facesr_train.recipe import Recipe, load_recipe, recipe_from_dict
from facesr_train.session import TrainSettings, run_training

BEFORE = "before"
"""The row of the weights that all trials start from."""
BASELINE = "bicubic"
EPOCHS = 10
"""Checkpoints of a trial."""
COLUMNS = {
    "psnr_db": ("PSNR, dB", "{:.2f}"),
    "gain_db": ("over bicubic", "{:+.3f}"),
    "high_frequency_energy": ("energy above 0.25 cycles/px", "{:.2f}"),
    "niqe": ("NIQE", "{:.2f}"),
    "identity_distance": ("identity distance, 1e-4", "{:.1f}"),
    "block_colour_difference": ("CIEDE2000 of blocks", "{:.2f}"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Train and measure what is missing, print the table, write what was asked for; the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        for path in (arguments.output, arguments.table):
            check_output(path)
        text = _table(_compared(arguments))
        if arguments.table:
            arguments.table.write_text(text, encoding="utf-8")
    except FacesrError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", metavar="RECIPE", help="one that the file of trials knows")
    parser.add_argument("--init", type=Path, required=True, metavar="WEIGHTS", help="as of `train`")
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs, as of `train`")
    parser.add_argument("--photographs", type=Path, required=True, metavar="VAL", help="to measure on")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N of these by name")
    parser.add_argument("--minutes", type=float, required=True, help="training time of each trial")
    parser.add_argument("--trials", type=Path, default=Path(__file__).with_suffix(".toml"))
    parser.add_argument("--set", action="append", dest="changes", default=[], metavar="KEY=VALUE")
    parser.add_argument("--ranker", type=Path, metavar="FILE.npz", help="for the loss `rank`")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="to train on")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="checkpoints; default: runs/RESULT")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RESULT.json")
    parser.add_argument("--table", type=Path, metavar="TABLE.md")
    return parser


def _compared(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Train, export and measure what is missing; the rows by name.

    Raises:
        UsageError: The settings contradict each other or those of what is there already.
        FacesrError: Training, export or a measurement failed.
    """
    if arguments.minutes <= 0:
        raise UsageError("--minutes must be positive")
    find_photographs(arguments.data)  # a mistyped folder must not end up in the result file
    samples_of(arguments.photographs)  # or be found out after the training
    trials = _trials(arguments)
    if arguments.init.suffix == ".onnx" and read_model(arguments.init).info.mirrorings > 1:
        raise UsageError(
            f"{arguments.init}: averages over mirrored inputs, the trials do not; name the plain file"
        )
    base = next(iter(trials.values()))
    settings = {
        "minutes": arguments.minutes,
        "init": read_initial(arguments.init, base).origin,
        "data": arguments.data.resolve().name,
        "photographs": arguments.photographs.resolve().name,
        "limit": arguments.limit,
        "changes": arguments.changes,
        "device": arguments.device,
        "trials": {name: f"{recipe.name} {recipe.digest}" for name, recipe in trials.items()},
    }
    known = resumed(arguments.output, settings)
    rates: dict[str, float] = known["rates"]
    rows: dict[str, dict[str, Any]] = known["rows"]

    def save() -> None:
        figures = {"rates": rates, "rows": rows, "torch": torch.__version__}
        write(arguments.output, document("benchmarks.mechanisms", settings, figures))

    if rates.keys() != trials.keys():
        rates = measured_rates(trials, arguments.data, arguments.device, init=arguments.init)
        save()
    runs: Path = arguments.runs or Path("runs") / arguments.output.stem
    if BASELINE not in rows:
        rows[BASELINE] = {"figures": _figures(BASELINE, base, arguments)}
        save()
    if BEFORE not in rows:
        rows[BEFORE] = {"figures": _figures(_network(arguments.init, runs), base, arguments)}
        save()
    for name, recipe in trials.items():
        if name not in rows:
            sys.stderr.write(f"{name}:\n")
            folder = runs / name.replace(" ", "-")
            steps = max(1, round(rates[name] * arguments.minutes * 60))
            row = _trained(recipe, steps, folder, arguments, origin=settings["init"])
            rows[name] = row | {"figures": _figures(_network(folder / LAST_NAME, folder), base, arguments)}
            save()
    return rows


def _trials(arguments: argparse.Namespace) -> dict[str, Recipe]:
    """Name of a trial -> the recipe with its change; the first is the recipe as it is.

    Raises:
        UsageError: The trials' file cannot be read, or knows nothing of the recipe.
    """
    recipe = changed(load_recipe(arguments.recipe), arguments.changes)
    values = recipe.to_dict()
    values["run"] |= {"validation_photographs": 1}
    path: Path = arguments.trials
    trials: dict[str, Recipe] = {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        if arguments.recipe not in tables:
            raise ValueError(f"it has none for {arguments.recipe}, but for {', '.join(tables)}")
        for table in tables[arguments.recipe]:
            name = table["name"]
            if name in trials or name in (BASELINE, BEFORE):
                raise ValueError(f"the name {name!r} is taken")
            losses = _losses(values["loss"], table, arguments.ranker)
            trials[name] = recipe_from_dict(values | {"loss": losses})
        if not trials:
            raise ValueError("there are none")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path}: cannot be read as trials ({error})") from error
    return trials


def _losses(
    losses: Sequence[dict[str, Any]], trial: Mapping[str, Any], ranker: Path | None
) -> list[dict[str, Any]]:
    """The losses of a recipe as a trial changes them.

    Raises:
        ValueError: The trial has unknown keys or leaves out what is not there.
        UsageError: It needs a ranker and none is given.
    """
    if unknown := trial.keys() - {"name", "add", "without"}:
        raise ValueError(f"{trial['name']}: unknown {', '.join(sorted(unknown))}")
    without = trial.get("without", [])
    if missing := set(without) - {term["kind"] for term in losses}:
        raise ValueError(f"{trial['name']}: the recipe has no loss {', '.join(sorted(missing))}")
    changed_losses = [term for term in losses if term["kind"] not in without]
    for term in trial.get("add", []):
        if term["kind"] == "rank" and ranker is None:
            raise UsageError(f"the trial {trial['name']!r} needs --ranker FILE.npz")
        given = {"ranker": str(ranker.resolve())} if term["kind"] == "rank" and ranker else {}
        changed_losses.append(term | given)
    return changed_losses


def _trained(
    recipe: Recipe, steps: int, folder: Path, arguments: argparse.Namespace, *, origin: str
) -> dict[str, Any]:
    """Train one trial in `folder`, or go on with it, and return its row, without figures.

    Raises:
        UsageError: The folder holds a trial that started from other weights than `origin`.
    """
    resume = (folder / LAST_NAME).exists()
    if resume and load_checkpoint(folder / LAST_NAME).initial != origin:
        raise UsageError(f"{folder}: holds a trial of other weights; remove it or name another --runs")
    run = dataclasses.replace(recipe.run, steps=steps, epoch_steps=max(1, steps // EPOCHS))
    checkpoint = run_training(
        dataclasses.replace(recipe, run=run),
        TrainSettings(
            data=arguments.data,
            out=folder,
            resume=resume,
            init=None if resume else arguments.init,
            device=arguments.device,
        ),
    )
    assert checkpoint is not None
    return {
        "steps": checkpoint.step,
        "training_s": round(checkpoint.elapsed_s, 1),
        "photographs": checkpoint.data,
        "trained_on": trained_on(arguments.device),
    }


def _network(weights: Path, folder: Path) -> Path:
    """The model file of a checkpoint, made in `folder`, or the model file that it is already."""
    if weights.suffix == ".onnx":
        return weights
    folder.mkdir(parents=True, exist_ok=True)
    network = folder / "network.onnx"
    export_checkpoint(weights, network)
    return network


def _figures(
    network: str | Path, recipe: Recipe, arguments: argparse.Namespace
) -> dict[str, dict[str, float | None]]:
    """Degradation of the recipe -> means over the photographs."""
    return {
        kind: measured(network, arguments.photographs, kind, limit=arguments.limit)
        for kind in recipe.data.degradations
    }


def _table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each trial as Markdown; a cell holds one figure for each degradation."""
    baseline = rows[BASELINE]["figures"]
    kinds = list(baseline)
    lines = [["trial", "steps", *(title for title, _ in COLUMNS.values())]]
    lines.append(["---"] * len(lines[0]))
    for name, row in rows.items():
        steps = f"{row['steps']:,}" if row.get("steps") else "-"
        lines.append([name, steps])
        for key, (_, form) in COLUMNS.items():
            cells = [_value(key, row["figures"][kind], baseline[kind]) for kind in kinds]
            lines[-1].append(" / ".join("-" if cell is None else form.format(cell) for cell in cells))
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{text}\nThree figures in a cell: {', '.join(kinds)}.\n" if len(kinds) == 3 else text


def _value(key: str, figures: Mapping[str, Any], baseline: Mapping[str, Any]) -> float | None:
    if key == "gain_db":
        return float(figures["psnr_db"] - baseline["psnr_db"])
    value: float | None = figures[key]
    return value * 1e4 if key == "identity_distance" and value is not None else value


if __name__ == "__main__":
    raise SystemExit(main())
