"""The paper's GAN and the systems it reviews, trained for equal minutes and measured side by side.

    python -m benchmarks.literature --data DIR --photographs TEST --minutes M --preset small \\
        --ranker ranker.npz -o RESULT.json [--table TABLE.md] [--strip STRIP.png]

Every recipe of the literature trains on the photographs of --data, all with the degradation `paper`, whatever
their own files say; `transfergan` spends the first half of its steps on `bicubic` and carries both networks
over. Then each is exported and measured on the photographs of --photographs, beside bilinear, bicubic and
face-x2, and the median seconds of a 512x512 photograph are measured, all networks in turn.

The budget is in steps: first a run of each recipe is timed that passes all its stages, all recipes in turn,
and minutes times that rate is the number of steps that it gets. So only this first part and the last need an
idle machine. With `--clock` nothing is timed first: each recipe trains for those minutes by the clock, on a
machine that has to be idle all along, and a recipe that was stopped begins anew.

What a recipe needs beside (an extra, a ranker) and does not find is said below the table, and the others go
on. Training the ranker (`python -m facesr_train.ranker`) is outside the budget.

The same command continues what was stopped: what is in RESULT.json is not made again, and a half-trained
recipe goes on from its checkpoint. `--beside` measures other networks in the same way, such as one that was
trained for longer. `--variant` trains a recipe once more with some values changed, such as without the loss
that it is about, for as many steps and from the same start; such rows have a table of their own. A variant
trains on one domain alone: `transfergan` without changes is what it is without its chain.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.literature_beside import (
    check_known,
    check_labels,
    facts,
    folder_name,
    named,
    planned,
    variant,
)
from benchmarks.literature_figures import (
    BESIDE,
    PAPER_PSNR_DB,
    distance_of_people,
    measured,
    seconds_of,
    strip,
    table,
)
from benchmarks.resultfile import check_output, document, write
from benchmarks.training import WHOLE_RUN, measured_rates, resumed, trained_on
from facesr_cli.errors import CapabilityError, FacesrError, ModelError, UsageError
from facesr_export.exporter import export_checkpoint
from facesr_train.checkpoint import LAST_NAME, Checkpoint, averaged_generator
from facesr_train.objective import Objective
from facesr_train.photographs import find_photographs
from facesr_train.recipe import Recipe, load_recipe, recipe_from_dict, shipped_recipes
from facesr_train.session import TrainSettings, run_training

DEGRADATION = "paper"
CHAINS = {"transfergan": ("bicubic",)}
"""Recipe -> the domains before the last, each with an equal part of the steps."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train and measure what is missing, print the table, write what was asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs, as of `train`")
    parser.add_argument("--photographs", type=Path, required=True, metavar="TEST", help="to measure on")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N of these by name")
    parser.add_argument("--minutes", type=float, required=True, help="training time of each recipe")
    parser.add_argument("--clock", action="store_true", help="these minutes by the clock, not in steps")
    parser.add_argument("--preset", default="", help="of all recipes: small, for two CPU cores")
    parser.add_argument("--recipe", action="append", dest="recipes", help="default: all; repeatable")
    parser.add_argument("--ranker", type=Path, metavar="FILE.npz", help="for ranksrgan")
    parser.add_argument(
        "--beside", action="append", default=[], type=named, metavar="LABEL=FILE.onnx", help="repeatable"
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        type=variant,
        metavar='"LABEL=RECIPE KEY=VALUE ..."',
        help="as of train --set; repeatable",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="to train on")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="checkpoints; default: runs/RESULT")
    parser.add_argument("--repeats", type=int, default=5, help="timed photographs per network")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RESULT.json")
    parser.add_argument("--table", type=Path, metavar="TABLE.md")
    parser.add_argument("--strip", type=Path, metavar="STRIP.png")
    arguments = parser.parse_args(argv)
    try:
        for path in (arguments.output, arguments.table, arguments.strip):
            check_output(path)
        rows = _compared(arguments)
        text = table(rows)
        if arguments.table:
            arguments.table.write_text(text, encoding="utf-8")
        if arguments.strip:
            networks = {
                name: _network(arguments, name)
                for name, row in rows.items()
                if "steps" in row and "variant_of" not in row
            }
            networks |= dict(arguments.beside)
            strip(networks, DEGRADATION).save(arguments.strip, format="PNG", optimize=True)
    except FacesrError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(text)
    return 0


def _compared(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Train, export and measure what is missing; the rows by name.

    Raises:
        UsageError: The settings contradict each other or those of what is there already.
        FacesrError: Training, export or a measurement failed.
    """
    if arguments.minutes <= 0 or arguments.repeats < 1:
        raise UsageError("--minutes must be positive, and --repeats at least 1")
    find_photographs(arguments.data)  # a mistyped folder must not end up in the result file
    recipes, missing = _recipes(arguments)
    settings = {
        "minutes": arguments.minutes,
        **({"clock": True} if arguments.clock else {}),
        "preset": arguments.preset,
        "data": arguments.data.resolve().name,
        "photographs": arguments.photographs.resolve().name,
        "limit": arguments.limit,
        "degradation": DEGRADATION,
        "recipes": {name: f"{recipe.name} {recipe.digest}" for name, recipe in recipes.items()},
    }
    check_labels(
        [label for label, *_ in (*arguments.beside, *arguments.variant)], [*BESIDE, *recipes, *missing]
    )
    beside = {name: name for name in BESIDE} | dict(arguments.beside)
    about = {name: facts(network) for name, network in beside.items()}
    variants = planned(arguments.variant, recipes)
    known = resumed(arguments.output, settings)
    check_known(known["rows"], about, arguments.variant)
    rates: dict[str, float] = known["rates"]
    rows: dict[str, dict[str, Any]] = known["rows"]
    people: float | None = known.get("different_people")

    def save() -> None:
        figures = {"rates": rates, "rows": rows, "different_people": people, "torch": torch.__version__}
        write(arguments.output, document("benchmarks.literature", settings, figures))

    if rates.keys() != recipes.keys() and not arguments.clock:
        rates = measured_rates(recipes, arguments.data, arguments.device)
        save()
    for name, network in beside.items():
        if name not in rows:
            row = measured(network, arguments.photographs, DEGRADATION, limit=arguments.limit)
            rows[name] = row | about[name]
            save()
    if people is None:
        people = distance_of_people(arguments.photographs, limit=arguments.limit)
    rows["paper, as published"] = {"psnr_db": PAPER_PSNR_DB}
    for name, reason in missing.items():
        rows[name] = {"missing": reason}
    for name, recipe in recipes.items():
        if "steps" not in rows.get(name, {}):
            sys.stderr.write(f"{name}:\n")
            steps = None if arguments.clock else max(2, round(rates[name] * arguments.minutes * 60))
            row = _trained(name, recipe, steps, arguments)
            path = _network(arguments, name)
            rows[name] = row | measured(path, arguments.photographs, DEGRADATION, limit=arguments.limit)
            save()
    for label, base, changes in arguments.variant:
        if label not in rows:
            sys.stderr.write(f"{label}:\n")
            row = _trained(label, variants[label], rows[base]["steps"], arguments)
            row |= {"variant_of": base, "changes": list(changes)}
            path = _network(arguments, label)
            rows[label] = row | measured(path, arguments.photographs, DEGRADATION, limit=arguments.limit)
            save()
    paths = {name: _network(arguments, name) for name in recipes} | beside
    for name, seconds in seconds_of(paths, arguments.repeats).items():
        rows[name]["seconds"] = seconds
    save()
    return rows


def _recipes(arguments: argparse.Namespace) -> tuple[dict[str, Recipe], dict[str, str]]:
    """Recipes by their plain name, on equal terms, and for those that cannot be trained here the reason."""
    names = arguments.recipes or [
        recipe.name for recipe in shipped_recipes() if not recipe.name.startswith("face-x2")
    ]
    found, missing = {}, {}
    for name in names:
        values = load_recipe(name, arguments.preset).to_dict()
        values["data"] |= {"degradations": {DEGRADATION: 1.0}, "split": None}
        values["run"] |= {"epoch_steps": WHOLE_RUN}
        for term in values["loss"]:
            if term["kind"] == "rank" and arguments.ranker:
                term["ranker"] = str(arguments.ranker.resolve())
        recipe = recipe_from_dict(values)
        try:
            Objective(recipe, None, torch.device("cpu"))
            found[name] = recipe
        except (CapabilityError, ModelError) as error:
            missing[name] = str(error)
            sys.stderr.write(f"{name} is left out: {error}\n")
    return found, missing


def _trained(name: str, recipe: Recipe, steps: int | None, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one recipe, along its chain of domains where it has one, and export it.

    Args:
        name: Plain name of the recipe, or the label of a variant, which follows no chain.
        recipe: On equal terms.
        steps: In all; None: for the minutes of `arguments` by the clock.
        arguments: Of the command line.
    """
    domains = [*CHAINS.get(name, ()), DEGRADATION]
    folder = _folder(arguments, name)
    previous: Path | None = None
    parts: list[Checkpoint] = []
    for index, domain in enumerate(domains):
        last = index == len(domains) - 1
        out = folder if last else folder.with_name(f"{name}-{index}-{domain}")
        if steps is None:
            part, epoch = WHOLE_RUN, WHOLE_RUN
        else:
            part = steps // len(domains) if not last else steps - (len(domains) - 1) * (steps // len(domains))
            epoch = max(1, part // 10)
        timed = dataclasses.replace(
            recipe,
            run=dataclasses.replace(recipe.run, steps=part, epoch_steps=epoch),
            data=dataclasses.replace(recipe.data, degradations={domain: 1.0}),
        )
        resume = (out / LAST_NAME).exists()
        checkpoint = run_training(
            timed,
            TrainSettings(
                data=arguments.data,
                out=out,
                resume=resume,
                init=None if resume else previous,
                max_minutes=arguments.minutes / len(domains) if steps is None else None,
                device=arguments.device,
            ),
        )
        assert checkpoint is not None
        parts.append(checkpoint)
        previous = out / LAST_NAME
    report = export_checkpoint(folder / LAST_NAME, folder / "network.onnx")
    end = parts[-1]
    return {
        "recipe": f"{recipe.name} {recipe.digest}",
        "parameters": sum(weight.numel() for weight in averaged_generator(end).parameters()),
        "steps": sum(part.step for part in parts),
        "training_s": round(sum(part.elapsed_s for part in parts), 1),
        "photographs": end.data,
        "initial": end.initial,
        "parity": report.info.parity,
        "trained_on": trained_on(arguments.device),
    }


def _folder(arguments: argparse.Namespace, name: str) -> Path:
    runs: Path = arguments.runs or Path("runs") / arguments.output.stem
    return runs / folder_name(name)


def _network(arguments: argparse.Namespace, name: str) -> Path:
    return _folder(arguments, name) / "network.onnx"


if __name__ == "__main__":
    raise SystemExit(main())
