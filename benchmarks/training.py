"""What programs share that train networks for equal minutes."""

from __future__ import annotations

import dataclasses
import json
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from facesr_cli.errors import UsageError
from facesr_train.photographs import find_photographs
from facesr_train.recipe import Recipe
from facesr_train.session import TrainSettings, run_training

RATE_PHOTOGRAPHS = 12
"""Photographs that networks see while their rates are measured."""
RATE_ROUNDS = 3
RATE_ROUND_S = 12.0
"""Rounds in which rates are measured, and about the seconds of each recipe in a round."""
WHOLE_RUN = 10**9
"""More steps than any run has: validation only at the end."""


def few_photographs(data: Path, folder: Path) -> Path:
    """A folder in `folder` with a few photographs of `data`: rates do not depend on how many there are."""
    split = find_photographs(data)
    for name, paths in (("train", split.train[:RATE_PHOTOGRAPHS]), ("val", split.val[:1])):
        (folder / "data" / name).mkdir(parents=True)
        for index, path in enumerate(paths):
            (folder / "data" / name / f"{index}{path.suffix}").symlink_to(path.resolve())
    return folder / "data"


def measured_rates(
    recipes: Mapping[str, Recipe], data: Path, device: str, *, init: Path | None = None
) -> dict[str, float]:
    """Median optimiser steps per second of each recipe over whole runs, short ones.

    A first run of `RATE_ROUND_S` says how many steps fit, since the stages of a run differ in cost; those
    after it have that many steps and are timed.

    Args:
        recipes: By name; all in turn.
        data: Folder of photographs, as of `train`.
        device: Word of `train --device`.
        init: What the runs start from, as of `train --init`.
    """
    timed: dict[str, list[float]] = {name: [] for name in recipes}
    fitting: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        few = few_photographs(data, Path(folder))
        for turn in range(1 + RATE_ROUNDS):
            for name, recipe in recipes.items():
                run = dataclasses.replace(
                    recipe.run,
                    validation_photographs=1,
                    epoch_steps=WHOLE_RUN,
                    steps=fitting.get(name, recipe.run.steps),
                )
                checkpoint = run_training(
                    dataclasses.replace(recipe, run=run),
                    TrainSettings(
                        data=few,
                        out=Path(folder) / f"{turn}-{name}",
                        init=init,
                        max_minutes=None if turn else RATE_ROUND_S / 60,
                        device=device,
                    ),
                )
                assert checkpoint is not None
                if turn:
                    timed[name].append(checkpoint.step / checkpoint.elapsed_s)
                else:
                    fitting[name] = checkpoint.step
    return {name: round(statistics.median(values), 4) for name, values in timed.items()}


def resumed(output: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The document in `output`, or an empty one.

    Raises:
        UsageError: `output` was made with other settings, or cannot be read.
    """
    if not output.exists():
        return {"rates": {}, "rows": {}}
    try:
        known: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        same = known["settings"] == settings
        known["rates"].keys(), known["rows"].keys()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{output}: cannot be read as a result of this program ({error})") from error
    if not same:
        raise UsageError(f"{output}: made with other settings or recipes; name another -o")
    return known


def trained_on(word: str) -> str:
    """Where `run_training` trains for that word of `--device`."""
    if word != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"
