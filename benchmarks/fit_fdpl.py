"""Measure how much a degradation changes each DCT coefficient: table D of the loss `fdpl`.

    python -m benchmarks.fit_fdpl DIR --degradation paper

DIR holds photographs that nothing is published on; they are prepared and degraded as `facesr-cli bench` does
it, and enlarged with Pillow's bicubic. Prints the table as it stands in `facesr_train/losses/fdpl.py`, and
the sum of the weights. The same photographs give the same table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import REPEATABLE
from facesr_cli.bench.ground_truth import Preparation, low_resolution, read_ground_truth
from facesr_cli.bench.pairs import Sample, samples_of
from facesr_cli.errors import FacesrError
from facesr_train.losses.fdpl import fdpl_weights, relative_change
from facesr_train.losses.luma import luma


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--degradation", choices=sorted(REPEATABLE), default="paper")
    arguments = parser.parse_args()
    try:
        samples = samples_of(arguments.folder)
        table = relative_change(_pairs(samples, arguments.degradation))
    except FacesrError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    for row in table.tolist():
        sys.stdout.write(f"({', '.join(f'{value:.3f}' for value in row)}),\n")
    total = float(fdpl_weights(table).sum())
    sys.stdout.write(f"{len(samples)} photographs; the weights sum to {total:.3f}\n")
    return 0


def _pairs(samples: list[Sample], degradation: str) -> Iterator[tuple[Tensor, Tensor]]:
    for sample in samples:
        truth = read_ground_truth(sample, Preparation())
        low = low_resolution(sample, truth, degradation, scale=2)
        restored = enlarge(low, "bicubic", scale=2)
        original, copy = (
            luma(torch.from_numpy(picture).permute(2, 0, 1)[None].double() / 255)[0, 0]
            for picture in (truth, restored)
        )
        yield original, copy


if __name__ == "__main__":
    sys.exit(main())
