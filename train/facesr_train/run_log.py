"""What a run leaves to read: a CSV row, TensorBoard scalars and a picture per epoch."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image

from facesr_train.validation import Validation

CSV_NAME = "metrics.csv"


class RunLog:
    """Appends to `metrics.csv`, `tensorboard/` and `samples/` of a run's folder; a context manager."""

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda line: None) -> None:
        """Open the log; `say` takes a line for the user where the package tensorboard is missing."""
        self._folder = folder
        self._tensorboard = _summary_writer(folder / "tensorboard")
        if self._tensorboard is None:
            say(f"tensorboard is not installed: figures go to {folder / CSV_NAME} alone")
        (folder / "samples").mkdir(exist_ok=True)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tensorboard is not None:
            self._tensorboard.close()

    def epoch(self, step: int, scalars: Mapping[str, float], validation: Validation) -> None:
        """Record one epoch: `scalars` (loss, rate, ...) and the validation."""
        row: dict[str, float] = {"step": step, **scalars}
        for kind, value in validation.psnr_db.items():
            row[f"psnr_db/{kind}"] = round(value, 4)
            row[f"gain_db/{kind}"] = round(value - validation.bicubic_psnr_db[kind], 4)
            row[f"energy/{kind}"] = round(validation.energy[kind], 4)
        path = self._folder / CSV_NAME
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        if self._tensorboard is not None:
            for name, value in row.items():
                if name != "step":
                    self._tensorboard.add_scalar(name, value, step)
            self._tensorboard.add_image("samples", validation.grid, step, dataformats="HWC")
        Image.fromarray(validation.grid).save(self._folder / "samples" / f"step-{step:07d}.png")


def _summary_writer(folder: Path) -> Any:
    """torch's SummaryWriter, which has no annotations; None where its package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        return None
    return SummaryWriter(str(folder))
