"""Photographs of a folder drawn and split by a seed, as the paper draws 500 and splits them 250, 100, 150."""

from __future__ import annotations

import hashlib
from pathlib import Path

from facesr_cli.errors import TrainingError
from facesr_train.data_section import RandomSplit
from facesr_train.photographs import SUFFIXES, Split, walk

LIST_NAME = "test-photographs.txt"
"""File in the run's folder with the photographs that were set aside for testing."""


def split_at_random(folder: Path, plan: RandomSplit) -> Split:
    """Draw photographs below `folder`, whatever folders lie in it, and split them.

    They are ordered by a hash of seed and relative path, so the split is the same on every machine.

    Raises:
        TrainingError: The folder does not exist, or there are too few photographs for the shares.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder; name a folder of face photographs with --data")
    drawn = sorted(walk(folder), key=lambda path: _hash(plan.seed, path.relative_to(folder)))
    drawn = drawn[: plan.photographs]
    train, test = round(len(drawn) * plan.train), round(len(drawn) * plan.test)
    split = Split(
        tuple(sorted(drawn[:train])),
        tuple(sorted(drawn[train : len(drawn) - test])),
        tuple(sorted(drawn[len(drawn) - test :])),
    )
    if not split.train or not split.val:
        raise TrainingError(
            f"{folder}: {len(drawn)} photographs are too few to be split at random into training and "
            f"validation ({', '.join(sorted(SUFFIXES))})"
        )
    return split


def list_test_photographs(split: Split, data: Path, out: Path) -> None:
    """Write the paths of `split.test` below `data`, one to a line, into the run's folder."""
    lines = [path.relative_to(data).as_posix() + "\n" for path in split.test]
    (out / LIST_NAME).write_text("".join(lines), encoding="utf-8", errors="surrogateescape")


def _hash(seed: int, relative: Path) -> bytes:
    return hashlib.sha256(f"{seed}/{relative.as_posix()}".encode("utf-8", "surrogateescape")).digest()
