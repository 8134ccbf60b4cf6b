"""What programs share that train networks for equal minutes."""

from __future__ import annotations

from pathlib import Path

import torch

from facesr_train.photographs import find_photographs

RATE_PHOTOGRAPHS = 12
"""Photographs that networks see while their rates are measured."""


def few_photographs(data: Path, folder: Path) -> Path:
    """A folder in `folder` with a few photographs of `data`: rates do not depend on how many there are."""
    split = find_photographs(data)
    for name, paths in (("train", split.train[:RATE_PHOTOGRAPHS]), ("val", split.val[:1])):
        (folder / "data" / name).mkdir(parents=True)
        for index, path in enumerate(paths):
            (folder / "data" / name / f"{index}{path.suffix}").symlink_to(path.resolve())
    return folder / "data"


def trained_on(word: str) -> str:
    """Where `run_training` trains for that word of `--device`."""
    if word != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"
