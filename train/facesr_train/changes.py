"""Settings of a recipe changed from the command line: `data.batch_size=64`."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Sequence
from typing import Any

from facesr_cli.errors import UsageError
from facesr_train.recipe import Recipe, recipe_from_dict


def changed(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """`recipe` with some values replaced, checked as if they stood in its file.

    Args:
        recipe: Left as it is.
        settings: `KEY=VALUE` each, applied in turn. KEY is a dotted path, with the number of the element from
            0 in a list of tables (`data.stages.0.batch_size`); VALUE is written as in TOML.

    Raises:
        UsageError: There is no such key, a value is not TOML, or the recipe refuses it.
    """
    values = copy.deepcopy(recipe.to_dict())
    for setting in settings:
        key, equals, text = setting.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path):
            raise UsageError(f"--set {setting}: is not KEY=VALUE, as in data.batch_size=64")
        table = values
        for position, name in enumerate(path[:-1]):
            table = _element(table, name, ".".join(path[: position + 1]), setting)
        if isinstance(table, list):
            _element(table, path[-1], key, setting)
            table[int(path[-1])] = _value(text, setting)
        elif isinstance(table, dict):
            table[path[-1]] = _value(text, setting)
        else:
            raise UsageError(f"--set {setting}: {'.'.join(path[:-1])} is a value, it has no {path[-1]}")
    try:
        return recipe_from_dict(values)
    except (ValueError, TypeError) as error:
        raise UsageError(f"--set {' --set '.join(settings)}: {error}") from error


def differences(recipe: Recipe, other: Recipe) -> list[str]:
    """`key (here, there)` for all values in which two recipes differ."""
    ours, theirs = _flat(recipe.to_dict()), _flat(other.to_dict())
    return [
        f"{key} ({ours.get(key, 'none')}, {theirs.get(key, 'none')})"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def _element(table: Any, name: str, path: str, setting: str) -> Any:
    """What stands in a table or list under `name`."""
    if isinstance(table, list):
        if not (name.isascii() and name.isdigit() and int(name) < len(table)):
            raise UsageError(f"--set {setting}: {path}: the list has {len(table)} elements, from 0 on")
        return table[int(name)]
    if not isinstance(table, dict) or name not in table:
        raise UsageError(f"--set {setting}: the recipe has no {path}")
    return table[name]


def _value(text: str, setting: str) -> Any:
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f'--set {setting}: the value is not TOML ({error}); a text needs quotes, as in name="other"'
        ) from error
    if set(found) != {"value"}:
        raise UsageError(f"--set {setting}: is more than one value")
    return found["value"]


def _flat(values: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> value, lists by number."""
    if isinstance(values, dict):
        items = list(values.items())
    elif isinstance(values, list):
        items = [(str(index), value) for index, value in enumerate(values)]
    else:
        return {path: values}
    flat: dict[str, Any] = {}
    for name, value in items:
        flat |= _flat(value, f"{path}.{name}" if path else name)
    return flat
