"""What `benchmarks.literature` is asked for beside the recipes themselves: other networks, and variants."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from facesr_cli.bench.baselines import BASELINES
from facesr_cli.errors import UsageError
from facesr_cli.model.catalogue import resolve_model
from facesr_cli.model.info import read_model
from facesr_cli.model.onnxfile import count_parameters
from facesr_train.changes import changed
from facesr_train.recipe import Recipe


class Variant(NamedTuple):
    """A recipe with some values changed; without changes, for one that follows a chain: without that."""

    label: str
    base: str
    changes: tuple[str, ...]


def named(words: str) -> tuple[str, str]:
    """LABEL=FILE, for argparse."""
    label, equals, path = words.partition("=")
    if not (label and equals and path):
        raise argparse.ArgumentTypeError(f"{words!r} is not LABEL=FILE.onnx")
    return label, path


def variant(words: str) -> Variant:
    """LABEL=RECIPE KEY=VALUE KEY=VALUE ..., for argparse; a setting with spaces stands in single quotes."""
    label, equals, rest = words.partition("=")
    base, *changes = [part.strip("'") for part in shlex.split(rest, posix=False)] or [""]
    if not (label and equals and base):
        raise argparse.ArgumentTypeError(f"{words!r} is not LABEL=RECIPE KEY=VALUE ...")
    return Variant(label, base, tuple(changes))


def folder_name(label: str) -> str:
    """Of the checkpoints of a row."""
    return label.replace(" ", "-")


def planned(variants: Sequence[Variant], recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """The changed recipes by label.

    Raises:
        UsageError: A recipe does not take part, or refuses its changes.
    """
    for label, base, _ in variants:
        if base not in recipes:
            raise UsageError(f"--variant {label}: {base} is not among the recipes that are trained")
    return {label: changed(recipes[base], changes) for label, base, changes in variants}


def check_labels(labels: Sequence[str], taken: Sequence[str]) -> None:
    """Refuse labels that are there twice, or that no row, no folder or no table can have.

    Raises:
        UsageError: Naming the label.
    """
    seen = {folder_name(name) for name in taken}
    for label in labels:
        if any(letter in label for letter in "/\\|") or label.startswith("."):
            raise UsageError(
                f"the label {label!r} cannot be a row and a folder: leave out / \\ | and a dot first"
            )
        if folder_name(label) in seen:
            raise UsageError(f"the label {label!r} is there twice, or that of another row; name another")
        seen.add(folder_name(label))


def facts(network: str | Path) -> dict[str, Any]:
    """Parameters and digest of a network; nothing for a baseline.

    Raises:
        ModelError: There is no such network, or it cannot be read.
    """
    if str(network) in BASELINES:
        return {}
    model = read_model(resolve_model(str(network)))
    return {"parameters": count_parameters(model.file.proto), "digest": model.info.digest}


def check_known(
    rows: Mapping[str, Mapping[str, Any]],
    beside: Mapping[str, Mapping[str, Any]],
    variants: Sequence[Variant],
) -> None:
    """Refuse rows of an earlier start that have the same label and stand for something else.

    Raises:
        UsageError: Naming the row.
    """
    for name, about in beside.items():
        if name in rows and rows[name].get("digest") != about.get("digest"):
            raise UsageError(f"{name}: was measured with other weights; name another -o")
    for label, base, changes in variants:
        if label in rows and (rows[label].get("variant_of"), rows[label].get("changes")) != (
            base,
            [*changes],
        ):
            raise UsageError(f"--variant {label}: was trained with other changes; name another label")
