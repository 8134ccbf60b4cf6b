"""Which photographs are measured: the files of a folder, or low- and high-resolution files paired by name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facesr_cli.errors import UsageError
from facesr_cli.photo.formats import PHOTO_SUFFIXES

_NAMES_SHOWN = 10

REPORT, CROPS = "bench.json", "crops"
"""In the folder of a report: the document, and the folder of its pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One photograph to measure on."""

    file: str
    """Path below the high-resolution folder, with forward slashes: the photograph's name in every report."""
    high: Path
    """The original."""
    low: Path | None
    """The low-resolution photograph that belongs to it; None: made from the original by a degradation."""


def find_photographs(directory: Path) -> list[Path]:
    """Return the photographs below a directory, sorted by relative path.

    Hidden files and folders do not count, nor do the pictures in a report of `bench`.

    Raises:
        UsageError: `directory` is not a directory, or there is no photograph in it.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory: give the folder with the photographs")
    found = []
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        if REPORT in names and CROPS in subfolders:
            subfolders.remove(CROPS)
        found += [
            Path(folder, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in PHOTO_SUFFIXES
        ]
    if not found:
        raise UsageError(f"no photographs in {directory}: looked for {', '.join(sorted(PHOTO_SUFFIXES))}")
    return sorted(found, key=lambda path: path.relative_to(directory).as_posix())


def samples_of(high_dir: Path) -> list[Sample]:
    """Return one sample per photograph of a folder of originals, to be degraded."""
    return [
        Sample(file=path.relative_to(high_dir).as_posix(), high=path, low=None)
        for path in find_photographs(high_dir)
    ]


def paired_samples(low_dir: Path, high_dir: Path) -> list[Sample]:
    """Pair two folders by relative path without extension, so `a/b.png` belongs to `a/b.jpg`.

    Raises:
        UsageError: A folder is missing or empty, a name is there twice, or a photograph has no partner.
            Nothing is paired by order: one renamed file would give wrong figures for all that follow.
    """
    lows = _by_stem(low_dir)
    highs = _by_stem(high_dir)
    alone = [f"{low_dir / stem} has no partner in {high_dir}" for stem in sorted(lows.keys() - highs.keys())]
    alone += [f"{high_dir / stem} has no partner in {low_dir}" for stem in sorted(highs.keys() - lows.keys())]
    if alone:
        raise UsageError(f"{len(alone)} photographs cannot be paired by name:\n{_listed(alone)}")
    return [
        Sample(file=highs[stem].relative_to(high_dir).as_posix(), high=highs[stem], low=lows[stem])
        for stem in sorted(highs)
    ]


def _by_stem(directory: Path) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in find_photographs(directory):
        stem = path.relative_to(directory).with_suffix("").as_posix()
        if stem in by_stem:
            raise UsageError(f"{by_stem[stem]} and {path} have the same name: keep one, or pairs are a guess")
        by_stem[stem] = path
    return by_stem


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    lines = [f"  {name}" for name in names[:_NAMES_SHOWN]]
    if len(names) > _NAMES_SHOWN:
        lines.append(f"  and {len(names) - _NAMES_SHOWN} more")
    return "\n".join(lines)
