"""One interleaved run: the programs take turns on each photograph, so that noise hits all alike."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.program import Enlarge
from facesr_cli.bench.baselines import REFERENCE_BASELINE
from facesr_cli.bench.contestants import DEGRADATION_SCALE
from facesr_cli.bench.ground_truth import low_resolution, read_ground_truth
from facesr_cli.bench.niqe import niqe
from facesr_cli.bench.pairs import Sample
from facesr_cli.bench.progress import Steps
from facesr_cli.bench.result import Failure, ImageScore, Row, mean_row
from facesr_cli.bench.scores import score_results
from facesr_cli.bench.settings import BenchSettings
from facesr_cli.errors import PhotoError, UpscaleFailedError

# The thread pools of onnxruntime, OpenMP and OpenCV spin for some milliseconds after their work is done and
# would take a core from the program that is timed next.
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedScore:
    """One program on one photograph under one degradation."""

    image: ImageScore
    seconds: float
    """From the low-resolution array to the enlarged one; no decoding, no encoding."""
    input_size: tuple[int, int]
    """Width and height of the low-resolution photograph in pixels."""


@dataclass(slots=True, kw_only=True)
class Measurement:
    """What a run found. Every row covers the same photographs."""

    scores: list[TimedScore] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    """Photographs that are in no row."""
    dropped: dict[str, str] = field(default_factory=dict)
    """By program: why it failed on the very first photograph, which took it out of the run."""

    @property
    def files(self) -> tuple[str, ...]:
        """The measured photographs, in order."""
        return tuple(dict.fromkeys(score.image.file for score in self.scores))

    @property
    def input_sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of the low-resolution photographs, each size once, in order."""
        return tuple(sorted({score.input_size for score in self.scores}))

    def row(self, program: str, degradation: str) -> Row | None:
        """Return the means of one program; None if it or every photograph failed."""
        images = [score.image for score in self.scores]
        if not any(image.model == program and image.degradation == degradation for image in images):
            return None
        return mean_row(images, model=program, degradation=degradation, images_per_s=None)

    def median_s(self, program: str) -> float | None:
        """Return the median seconds per photograph over all degradations; None if there is none."""
        seconds = [score.seconds for score in self.scores if score.image.model == program]
        return statistics.median(seconds) if seconds else None


def measure(
    samples: Sequence[Sample], programs: Mapping[str, Enlarge], settings: BenchSettings, steps: Steps
) -> Measurement:
    """Run the programs on the photographs, round-robin, and score what they give.

    Each program enlarges the first readable photograph once before the clock runs; one that fails there is
    dropped. The order of the programs moves on by one with each photograph and degradation. A photograph that
    cannot be read, or that a program fails on, is in no row.

    Args:
        samples: The originals.
        programs: By name; the reference baseline is one of them.
        settings: Degradations and preparation.
        steps: Told of each photograph.
    """
    assert REFERENCE_BASELINE in programs
    found = Measurement()
    running: dict[str, Enlarge] | None = None
    turns = itertools.count()
    for sample in samples:
        steps.begin(sample.file)
        try:
            truth = read_ground_truth(sample, settings.preparation)
            scores: list[TimedScore] = []
            for degradation in settings.conditions:
                low = low_resolution(sample, truth, degradation, scale=DEGRADATION_SCALE)
                if running is None:
                    running = _warmed_up(programs, low, found.dropped)
                timed = _in_turn(running, low, next(turns))
                scores += _scored(sample.file, degradation, truth, low, timed)
            found.scores += scores
        except PhotoError as error:
            found.failures.append(Failure(file=sample.file, reason=error.reason, message=str(error)))
    steps.finish()
    return found


def _warmed_up(
    programs: Mapping[str, Enlarge], low: NDArray[np.uint8], dropped: dict[str, str]
) -> dict[str, Enlarge]:
    """Return the programs that enlarge this photograph; why the others do not is put into `dropped`."""
    running = {}
    for name, enlarge in programs.items():
        try:
            _checked(name, enlarge(low), low)
        except UpscaleFailedError as error:
            dropped[name] = f"failed: {error}"
        else:
            running[name] = enlarge
    return running


def _in_turn(
    running: Mapping[str, Enlarge], low: NDArray[np.uint8], turn: int
) -> dict[str, tuple[NDArray[np.uint8], float]]:
    """Return each program's picture and seconds, in the order of `running`; `turn` says who begins."""
    names = list(running)
    first = turn % len(names)
    timed = {}
    for name in names[first:] + names[:first]:
        time.sleep(_PAUSE_S)
        begun_s = time.perf_counter()
        high = running[name](low)
        seconds = time.perf_counter() - begun_s
        timed[name] = (_checked(name, high, low), seconds)
    return {name: timed[name] for name in names}


def _scored(
    file: str,
    degradation: str,
    truth: NDArray[np.uint8],
    low: NDArray[np.uint8],
    timed: Mapping[str, tuple[NDArray[np.uint8], float]],
) -> list[TimedScore]:
    height_px, width_px = low.shape[:2]
    scores = score_results(
        {name: high for name, (high, _) in timed.items()},
        file=file,
        degradation=degradation,
        original=truth,
        low=low,
        border=DEGRADATION_SCALE,
        niqe_original=niqe(truth),
    )
    return [
        TimedScore(image=image, seconds=timed[image.model][1], input_size=(width_px, height_px))
        for image in scores
    ]


def _checked(name: str, high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    expected = (DEGRADATION_SCALE * low.shape[0], DEGRADATION_SCALE * low.shape[1], 3)
    if high.shape != expected or high.dtype != np.uint8:
        raise UpscaleFailedError(
            "wrong-output-size", f"{name} gave {high.shape} {high.dtype}, expected {expected} uint8"
        )
    return high
