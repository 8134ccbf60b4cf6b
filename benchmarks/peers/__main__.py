"""Measure our networks beside bicubic, Lanczos and other programs, in one interleaved run.

    python -m benchmarks.peers PHOTOGRAPHS [--degradation NAME]... [--limit N] [--program NAME]...
        [--model NAME|FILE]... [--fsrcnn FSRCNN_x2.pb] [--threads N] [--no-timing] [-o RESULT.json]

PHOTOGRAPHS is a folder of originals, as of `facesr-cli bench`. A program that is not installed is a row that
says what to install. Exit codes: 0 all done; 1 a photograph failed; 2 wrong usage; 3 a program that was named
cannot be run. docs/benchmarks.md says what the programs are.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.animevideo import ANIMEVIDEO
from benchmarks.peers.fsrcnn import FSRCNN
from benchmarks.peers.fsrcnn_layers import FSRCNN_LAYERS
from benchmarks.peers.measure import measure
from benchmarks.peers.ours import BASELINES, baseline_programs, model_programs
from benchmarks.peers.program import Opened, Options, Program
from benchmarks.peers.report import Run, document, markdown
from benchmarks.peers.span import SPAN
from benchmarks.peers.waifu2x import WAIFU2X
from benchmarks.peers.x4plus import X4PLUS
from facesr_cli.bench.baselines import REFERENCE_BASELINE
from facesr_cli.bench.degradations import DEGRADATIONS
from facesr_cli.bench.progress import Steps, shown_progress
from facesr_cli.bench.settings import DEFAULT_DEGRADATIONS, BenchSettings
from facesr_cli.errors import CapabilityError, FacesrError, UsageError
from facesr_cli.model.catalogue import bundled_names
from facesr_cli.model.hardware import usable_cpus

PEERS = (SPAN, WAIFU2X, ANIMEVIDEO, X4PLUS, FSRCNN, FSRCNN_LAYERS)
"""In the order of the table."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the programs, print the table, write the result file, and return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except FacesrError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code


def _run(arguments: argparse.Namespace) -> int:
    begun_s = time.perf_counter()
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _check(arguments)
    settings = BenchSettings(
        high_dir=arguments.photographs,
        degradations=tuple(arguments.degradations or DEFAULT_DEGRADATIONS),
        limit=arguments.limit,
    )
    samples = settings.samples()
    options = Options(threads=arguments.threads, fsrcnn=arguments.fsrcnn)
    programs = _chosen(arguments.programs or (), arguments.models or (), options)
    opened, missing = _open(programs, options)
    with shown_progress(sys.stderr) as progress:
        found = measure(
            samples,
            {name: program.enlarge for name, program in opened.items()},
            settings,
            Steps(progress, len(samples)),
        )
    run = Run(
        date=date,
        elapsed_s=round(time.perf_counter() - begun_s, 1),
        settings=settings,
        threads=options.threads,
        timing=arguments.timing,
        programs=programs,
        digests={name: program.digest for name, program in opened.items()},
        missing=missing | found.dropped,
        measurement=found,
    )
    sys.stdout.write(markdown(run))
    if arguments.output:
        arguments.output.write_text(json.dumps(document(run), indent=2, allow_nan=False) + "\n")
    if set(run.missing) & set(arguments.programs or ()):
        return CapabilityError.exit_code
    return 1 if found.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("photographs", type=Path, help="folder of originals")
    parser.add_argument(
        "--degradation",
        action="append",
        choices=DEGRADATIONS,
        dest="degradations",
        help=f"default: {', '.join(DEFAULT_DEGRADATIONS)}",
    )
    parser.add_argument("--limit", type=int, help="only the first photographs by name")
    parser.add_argument(
        "--program",
        action="append",
        choices=_names(),
        dest="programs",
        metavar="NAME",
        help=f"only these beside {REFERENCE_BASELINE}, of {', '.join(_names())}; default: all",
    )
    parser.add_argument(
        "--model",
        action="append",
        dest="models",
        metavar="NAME|FILE",
        help="network of ours, as of `upscale`; default: the bundled ones",
    )
    parser.add_argument("--fsrcnn", type=Path, metavar="FILE.pb", help="OpenCV's model file FSRCNN_x2.pb")
    parser.add_argument(
        "--threads",
        type=int,
        default=usable_cpus(),
        help="for one photograph, the same for all programs; default: one for each CPU of this process",
    )
    parser.add_argument(
        "--no-timing",
        action="store_false",
        dest="timing",
        help="leave seconds out, where the machine has other work",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="RESULT.json")
    return parser


def _names() -> tuple[str, ...]:
    return (*BASELINES, *bundled_names(), *(program.name for program in PEERS))


def _check(arguments: argparse.Namespace) -> None:
    """Find before hours of work what would make them useless."""
    if arguments.threads < 1:
        raise UsageError(f"--threads is {arguments.threads}: expected at least 1")
    if arguments.fsrcnn is not None and not arguments.fsrcnn.is_file():
        raise UsageError(f"--fsrcnn: there is no file {arguments.fsrcnn}")
    if arguments.output is not None and not arguments.output.absolute().parent.is_dir():
        raise UsageError(f"-o: there is no folder {arguments.output.parent}: create it first")


def _chosen(names: Sequence[str], models: Sequence[str], options: Options) -> list[Program]:
    """Return the rows of the table: baselines, our networks, peers.

    Args:
        names: Those asked for by --program; empty: all.
        models: Those asked for by --model; empty: the bundled ones, as far as they are among `names`.
        options: What our networks are opened with.
    """
    wanted = {REFERENCE_BASELINE, *(names or _names())}
    ours = models or [name for name in bundled_names() if name in wanted]
    others = [program for program in (*baseline_programs(), *PEERS) if program.name in wanted]
    split = sum(program.name in BASELINES for program in others)
    return [*others[:split], *model_programs(ours, threads=options.threads), *others[split:]]


def _open(programs: Sequence[Program], options: Options) -> tuple[dict[str, Opened], dict[str, str]]:
    """Return the programs that can be opened, and why the others cannot."""
    opened, missing = {}, {}
    for program in programs:
        try:
            opened[program.name] = program.open(options)
        except CapabilityError as error:
            missing[program.name] = str(error)
    return opened, missing


if __name__ == "__main__":
    raise SystemExit(main())
