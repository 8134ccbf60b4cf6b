"""What a benchmark was asked to do, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from facesr_cli.bench.degradations import DEGRADATIONS
from facesr_cli.bench.ground_truth import GIVEN, Preparation
from facesr_cli.bench.pairs import Sample, paired_samples, samples_of
from facesr_cli.errors import UsageError

DEFAULT_DEGRADATIONS = ("paper", "bicubic", "real")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """Photographs, models and degradations of one benchmark."""

    high_dir: Path
    """Folder of originals."""
    low_dir: Path | None = None
    """Folder of low-resolution photographs paired with `high_dir` by name; None: they are made from it."""
    models: tuple[str, ...] = ()
    """Names of bundled models or paths of ONNX files; empty: baselines only."""
    degradations: tuple[str, ...] = DEFAULT_DEGRADATIONS
    """Keys of `DEGRADATIONS`; not used with `low_dir`."""
    limit: int | None = None
    """Measure only the first so many photographs by name."""
    preparation: Preparation = field(default_factory=Preparation)
    """What happens to originals before they are degraded; not used with `low_dir`."""
    throughput: bool = True
    """Measure photographs per second too."""
    device: int = 0
    """The GPU that the models were opened on, for its limit and its memory."""
    pictures: bool = False
    """Make side-by-side crops of the best, median and worst photographs."""
    score_threads: int | None = None
    """Threads that compute metrics; None: one per logical core, at most 8."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.degradations if name not in DEGRADATIONS]
        if unknown:
            raise UsageError(f"no degradation {unknown[0]!r}: choose from {', '.join(DEGRADATIONS)}")
        if self.low_dir is None and not self.degradations:
            raise UsageError("name at least one degradation, or give --lr and --hr")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit is {self.limit}: expected at least 1")

    @property
    def conditions(self) -> tuple[str, ...]:
        """Degradations of the table, each once: those asked for, or the given pairs as the only one."""
        return (GIVEN,) if self.low_dir is not None else tuple(dict.fromkeys(self.degradations))

    @property
    def source(self) -> str:
        """The photographs' folder or folders, as the user named them."""
        return str(self.high_dir) if self.low_dir is None else f"{self.low_dir} and {self.high_dir}"

    def samples(self) -> list[Sample]:
        """Return the photographs to measure, in order of their names.

        Raises:
            UsageError: There are none, or they cannot be paired.
        """
        samples = (
            samples_of(self.high_dir) if self.low_dir is None else paired_samples(self.low_dir, self.high_dir)
        )
        return samples[: self.limit]
