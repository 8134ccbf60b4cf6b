"""Presets: tables `[preset.NAME]` of a recipe's file with changes that are applied before it is read.

A change has the form of the recipe itself: tables are merged key by key, lists and values replace what
stands there, and a table that names another `kind` replaces the whole one. The name of a recipe that was
changed ends in the preset's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_preset(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A recipe's TOML data without its presets, changed by the one of that name; empty: by none.

    Raises:
        ValueError: There is no such preset.
    """
    plain = {key: value for key, value in values.items() if key != "preset"}
    presets = values.get("preset", {})
    if not isinstance(presets, Mapping) or not all(isinstance(one, Mapping) for one in presets.values()):
        raise ValueError("preset must hold tables: [preset.small]")
    if not name:
        return plain
    if name not in presets:
        known = f"there are {', '.join(presets)}" if presets else "it has none"
        raise ValueError(f"no preset {name!r}; {known}")
    return _merged(plain, presets[name]) | {"name": f"{plain.get('name', '')}-{name}"}


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, change in changes.items():
        before = merged.get(key)
        merged[key] = change
        if isinstance(before, Mapping) and isinstance(change, Mapping):
            kind = before.get("kind")
            if change.get("kind", kind) == kind:
                merged[key] = _merged(before, change)
    return merged
