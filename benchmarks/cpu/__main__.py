"""What limits `facesr-cli` on this machine's CPU.

    python -m benchmarks.cpu [--part NAME]... [--model NAME|FILE]... [--full] [-o RESULT.json]

Parts: `arithmetic` (rate of the networks over that of one large 3x3 convolution; OpenVINO where installed),
`pipeline` (the rate of `upscale` beside that of its busiest stage alone), `overhead` (that rate with a
network that takes no time), `startup` (seconds of `--help` and of the first photograph), `choices` (PNG
level, JPEG chroma, threads or processes, workers) and `growth` (seconds per megapixel by size and by number
of files). The defaults are for a quick look; --full has 256 to 8,192 px and 1 to 2,000 files, and takes half
an hour on two cores. Nothing else may run meanwhile. Exit codes: 0 measured; 1 a run of facesr-cli failed; 2
wrong usage; 3 no provider.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.cpu import arithmetic, choices, growth, overhead, pipeline, startup
from benchmarks.cpu.options import Figures, Options, Say
from benchmarks.network import digests
from benchmarks.resultfile import check_output, document, write
from facesr_cli.errors import FacesrError
from facesr_cli.model.catalogue import bundled_names

PARTS: dict[str, tuple[Callable[[Options, Say], Figures], Callable[[Figures], list[str]]]] = {
    "arithmetic": (arithmetic.measure, arithmetic.lines),
    "pipeline": (pipeline.measure, pipeline.lines),
    "overhead": (overhead.measure, overhead.lines),
    "startup": (startup.measure, startup.lines),
    "choices": (choices.measure, choices.lines),
    "growth": (growth.measure, growth.lines),
}

QUICK_SIZES, FULL_SIZES = (256, 512, 1024), (256, 512, 1024, 2048, 4096, 8192)
QUICK_FILES, FULL_FILES = (1, 4, 16), (1, 10, 100, 500, 2000)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the parts, print what was found, write the result file, and return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        check_output(arguments.output)
        options = _options(arguments)
        known = digests(options.models)
        figures: Figures = {}
        for part in dict.fromkeys(arguments.parts or PARTS):
            measure, lines = PARTS[part]
            figures[part] = measure(options, _say)
            if not arguments.as_json:
                sys.stdout.write(f"{part}\n" + "".join(f"  {line}\n" for line in lines(figures[part])))
                sys.stdout.flush()
    except FacesrError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    content = document("benchmarks.cpu", asdict(options) | {"digests": known}, figures)
    if arguments.as_json:
        sys.stdout.write(json.dumps(content, indent=2, allow_nan=False) + "\n")
    if arguments.output is not None:
        write(arguments.output, content)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--part", action="append", choices=PARTS, dest="parts", help="default: all")
    parser.add_argument(
        "--model", action="append", dest="models", metavar="NAME|FILE", help="default: the bundled ones"
    )
    parser.add_argument("--repeats", type=int, default=7, help="timed runs of each figure")
    parser.add_argument("--size", type=int, default=512, metavar="PX", help="side of the photographs")
    parser.add_argument(
        "--images",
        type=int,
        default=16,
        metavar="N",
        help="photographs for `choices`; 25 times as many for `overhead`",
    )
    parser.add_argument("--full", action="store_true", help="all sizes and numbers of files for `growth`")
    parser.add_argument("--sizes", type=_numbers, metavar="PX,PX", help="sides for `growth`")
    parser.add_argument("--files", type=_numbers, metavar="N,N", help="numbers of files for `growth`")
    parser.add_argument("--files-size", type=int, default=256, metavar="PX", help="side of those files")
    parser.add_argument("--small-limit", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print the document")
    parser.add_argument("-o", "--output", type=Path, metavar="RESULT.json")
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        models=tuple(arguments.models or bundled_names()),
        repeats=arguments.repeats,
        size_px=arguments.size,
        images=arguments.images,
        sizes=arguments.sizes or (FULL_SIZES if arguments.full else QUICK_SIZES),
        files=arguments.files or (FULL_FILES if arguments.full else QUICK_FILES),
        files_px=arguments.files_size,
        small_limit=arguments.small_limit,
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


if __name__ == "__main__":
    raise SystemExit(main())
