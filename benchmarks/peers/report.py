"""The table and the JSON document of one run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.measure import Measurement
from benchmarks.peers.program import Program, versions
from facesr_cli.bench.environment import describe_environment
from facesr_cli.bench.protocol import describe_protocol
from facesr_cli.bench.report import HEADINGS, escaped, markdown_table, row_cells
from facesr_cli.bench.settings import BenchSettings

_QUALITY = HEADINGS[:-1]  # all but photos/s, which is of decode, inference and encode
_SPEED = ("s/photograph", "threads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    date: str
    """Start, UTC, ISO 8601."""
    elapsed_s: float
    settings: BenchSettings
    threads: int
    timing: bool
    """False: seconds are left out, since the machine had other work."""
    programs: Sequence[Program]
    """In the order of the table."""
    digests: Mapping[str, str]
    """Of the weights, by program; only of those that were opened."""
    missing: Mapping[str, str]
    """By program: why it has no figures."""
    measurement: Measurement

    @property
    def protocol(self) -> dict[str, str]:
        """Topic and sentence, in print order."""
        sizes = ", ".join(f"{width}x{height}" for width, height in self.measurement.input_sizes)
        protocol = describe_protocol(
            source=self.settings.source,
            photographs=len(self.measurement.files),
            limit=self.settings.limit,
            degradations=self.settings.conditions,
            preparation=self.settings.preparation,
            scale=2,
            throughput=False,
        )
        protocol["s/photograph"] = (
            f"median over all photographs and degradations, from the 8-bit array of low resolution "
            f"({sizes or 'none'} px) to the enlarged one, without decoding and encoding; after one call that "
            f"is not counted, the programs take turns on each photograph, each round begun by another one"
            if self.timing
            else "not measured: the machine had other work"
        )
        return protocol

    @property
    def environment(self) -> dict[str, str]:
        """The machine, and the versions of all that was measured."""
        return describe_environment(
            also=[name for program in self.programs for name in program.distributions]
        )

    def used_threads(self, program: Program) -> int:
        """Threads of one program."""
        return program.threads or self.threads

    def seconds(self, program: Program) -> float | None:
        """Median seconds per photograph; None where they are not known."""
        return self.measurement.median_s(program.name) if self.timing else None


def markdown(run: Run) -> str:
    """Return table, programs, protocol, machine, and what is missing or failed."""
    lines = ["# Peers", "", f"benchmarks.peers, {run.date}", ""]
    lines += markdown_table(_QUALITY + _SPEED, _table_rows(run), text_columns=2)
    if run.missing:
        lines += ["", "## Not measured", ""]
        lines += [f"- **{escaped(name)}**: {reason}" for name, reason in run.missing.items()]
    lines += ["", "## Programs", ""]
    lines += [
        f"- **{escaped(program.name)}**: {escaped(program.about)}; {escaped(program.licence)}"
        for program in run.programs
    ]
    lines += ["", "## Protocol", ""]
    lines += [f"- **{topic}**: {sentence}" for topic, sentence in run.protocol.items()]
    lines += ["", "## Machine", ""]
    lines += [f"- {name}: {value}" for name, value in run.environment.items()]
    if run.measurement.failures:
        lines += ["", "## Failed", ""]
        lines += [f"- {escaped(item.file)}: {escaped(item.message)}" for item in run.measurement.failures]
    return "\n".join(lines) + "\n"


def document(run: Run) -> dict[str, Any]:
    """Return the JSON document; infinite PSNR, of equal pictures, becomes None."""
    found = run.measurement
    rows, images = [], []
    for degradation in run.settings.conditions:
        for program in run.programs:
            row = found.row(program.name, degradation)
            if row is not None:
                fields = dataclasses.asdict(row)
                del fields["images_per_s"]
                rows.append(_finite({**fields, "median_s": run.seconds(program)}))
    for score in found.scores:
        seconds = score.seconds if run.timing else None
        images.append(
            _finite({**dataclasses.asdict(score.image), "input_size": score.input_size, "seconds": seconds})
        )
    return {
        "program": "benchmarks.peers",
        "date": run.date,
        "elapsed_s": run.elapsed_s if run.timing else None,
        "protocol": run.protocol,
        "environment": run.environment,
        "programs": [
            {
                "name": program.name,
                "about": program.about,
                "licence": program.licence,
                "versions": versions(program),
                "digest": run.digests.get(program.name, ""),
                "threads": run.used_threads(program),
            }
            for program in run.programs
        ],
        "rows": rows,
        "images": images,
        "not_measured": dict(run.missing),
        "failures": [dataclasses.asdict(failure) for failure in found.failures],
    }


def _table_rows(run: Run) -> list[tuple[str, ...]]:
    rows = []
    for degradation in run.settings.conditions:
        for program in run.programs:
            row = run.measurement.row(program.name, degradation)
            if row is None:
                reason = run.missing.get(program.name, "no photograph could be measured")
                blank = ("-",) * (len(_QUALITY) + len(_SPEED) - 3)
                rows.append((degradation, f"{program.name} ({reason})", "-", *blank))
                continue
            seconds = run.seconds(program)
            rows.append(
                (
                    *row_cells(row)[:-1],
                    "-" if seconds is None else f"{seconds:.3f}",
                    str(run.used_threads(program)),
                )
            )
    return rows


def _finite(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in fields.items()
    }
