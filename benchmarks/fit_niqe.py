"""Fit the statistics of sharp portraits that NIQE measures from (`facesr_cli/bench/niqe.npz`).

    python -m benchmarks.fit_niqe DIR -o facesr_cli/bench/niqe.npz

DIR holds sharp photographs that nothing is published on; they are prepared as `facesr-cli bench` prepares its
originals. The same photographs give the same statistics.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from facesr_cli.bench.ground_truth import Preparation, read_ground_truth
from facesr_cli.bench.niqe import fit_statistics, sharp_features
from facesr_cli.bench.pairs import samples_of
from facesr_cli.errors import FacesrError


def main() -> int:
    """Fit and write the statistics; say how many blocks they stand on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    try:
        found = [
            sharp_features(read_ground_truth(sample, Preparation()))
            for sample in samples_of(arguments.folder)
        ]
        statistics = fit_statistics(np.concatenate(found), sum(len(features) > 0 for features in found))
    except FacesrError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    except ValueError as error:
        sys.exit(f"{arguments.folder}: {error}")
    statistics.save(arguments.output)
    sys.stdout.write(
        f"{statistics.blocks} blocks of {statistics.photographs} photographs: {arguments.output}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
