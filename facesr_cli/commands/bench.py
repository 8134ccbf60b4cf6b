"""`facesr-cli bench`: quality and speed with the protocol they were measured by."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facesr_cli.commands.options import inference_options
from facesr_cli.errors import UsageError, WriteFailedError

if TYPE_CHECKING:
    from facesr_cli.bench.result import BenchResult

# Kept here as words, because `facesr_cli.bench` brings numpy; a test compares them.
DEGRADATION_NAMES = ("paper", "paper-alt", "bicubic", "real")
DEFAULT_DEGRADATIONS = ("paper", "bicubic", "real")
DEFAULT_MODEL = "face-x2"

_MIN_TABLE_WIDTH = 200
_FOLDER = click.Path(path_type=Path)


@click.command(short_help="Measure quality and speed on your photographs.")
@click.argument("hr_dir", metavar="[HR_DIR]", required=False, type=_FOLDER)
@click.option("--lr", "lr_dir", metavar="DIR", type=_FOLDER, help="Low-resolution photographs, with --hr.")
@click.option(
    "--hr",
    "pair_hr_dir",
    metavar="DIR",
    type=_FOLDER,
    help="Originals of --lr: same relative names, any extension.",
)
@click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    help=f"A bundled model or an ONNX file; repeat to compare.  [default: {DEFAULT_MODEL}]",
)
@click.option(
    "--degradation",
    "degradations",
    type=click.Choice(DEGRADATION_NAMES),
    multiple=True,
    help=f"How HR_DIR is reduced; repeat for more.  [default: {', '.join(DEFAULT_DEGRADATIONS)}]",
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N photographs by name."
)
@click.option("--no-throughput", is_flag=True, help="Leave out the measurement of photographs per second.")
@click.option(
    "-o",
    "--output",
    "report_dir",
    metavar="REPORT_DIR",
    type=_FOLDER,
    help="Write bench.json, bench.md, images.csv and side-by-side crops there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
@inference_options()
@click.pass_context
def bench(
    ctx: click.Context,
    hr_dir: Path | None,
    lr_dir: Path | None,
    pair_hr_dir: Path | None,
    models: tuple[str, ...],
    degradations: tuple[str, ...],
    limit: int | None,
    no_throughput: bool,
    report_dir: Path | None,
    as_json: bool,
    provider: str,
    device: int,
    precision: str,
    batch_size: int | None,
    tile: int | None,
) -> None:
    """Measure models on photographs you have in full resolution.

    The originals below HR_DIR are reduced to half size, enlarged again and compared with themselves. With
    --lr and --hr the low-resolution photographs are yours too. Bilinear, bicubic and Lanczos are always in
    the table, and its protocol is printed below it.

    \b
    facesr-cli bench portraits/
    facesr-cli bench portraits/ --model face-x2 --model other.onnx --degradation bicubic -o report/
    facesr-cli bench --lr small/ --hr large/ --json
    """
    high_dir = _high_dir(hr_dir, lr_dir, pair_hr_dir)
    if lr_dir is not None and degradations:
        raise UsageError(
            "--degradation reduces the photographs of HR_DIR; pairs given by --lr are taken as they are"
        )

    from facesr_cli.bench.progress import shown_progress
    from facesr_cli.bench.report import json_text, prepare_folder, write_report
    from facesr_cli.bench.run import run_bench
    from facesr_cli.bench.settings import BenchSettings
    from facesr_cli.model.upscaler import Upscaler

    settings = BenchSettings(
        high_dir=high_dir,
        low_dir=lr_dir,
        models=models or (DEFAULT_MODEL,),
        degradations=degradations or DEFAULT_DEGRADATIONS,
        limit=limit,
        throughput=not no_throughput,
        device=device,
        pictures=report_dir is not None,
    )
    if report_dir is not None:
        prepare_folder(report_dir)

    def open_upscaler(name_or_path: str) -> Upscaler:
        upscaler = Upscaler(
            name_or_path,
            provider=provider,
            device=device,
            precision=precision,
            batch_size=batch_size,
            tile_px=tile,
        )
        if upscaler.provider.warning:
            click.echo(f"note: {upscaler.provider.warning}", err=True)
        return upscaler

    with shown_progress(sys.stderr) as progress:
        result = run_bench(settings, open_upscaler=open_upscaler, progress=progress)
    unwritten: WriteFailedError | None = None
    if report_dir is not None:  # first of all: hours of work must not depend on who reads stdout
        try:
            write_report(result, report_dir)
        except WriteFailedError as error:  # what was measured is at least printed
            unwritten = error
    if as_json:
        click.echo(json_text(result), nl=False)
    else:
        _print_table(result)
    for failure in result.failures:
        click.echo(f"failed: {failure.file}: {failure.message}", err=True)
    if unwritten is not None:
        raise unwritten
    if report_dir is not None:
        click.echo(f"report: {report_dir / 'bench.md'}", err=True)
    ctx.exit(result.exit_code)


def _high_dir(hr_dir: Path | None, lr_dir: Path | None, pair_hr_dir: Path | None) -> Path:
    """Return the folder of originals, or say which of the two forms was meant."""
    if hr_dir is not None and lr_dir is None and pair_hr_dir is None:
        return hr_dir
    if hr_dir is None and lr_dir is not None and pair_hr_dir is not None:
        return pair_hr_dir
    raise UsageError("give either HR_DIR alone, or both --lr DIR and --hr DIR")


def _print_table(result: BenchResult) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from facesr_cli.bench.report import BESIDE_HEADINGS, BESIDE_PSNR, HEADINGS, beside_cells, row_cells
    from facesr_cli.bench.speed_table import SPEED, SPEED_HEADINGS, limit_sentence, speed_cells

    console = Console(file=sys.stdout, highlight=False, markup=False)
    if result.rows:
        # Rich would cut figures off to fit; a pipe or a narrow terminal gets them whole.
        console.width = max(console.width, _MIN_TABLE_WIDTH)
    else:
        console.print("No photograph could be measured.")
    for title, headings, cells in (
        (None, HEADINGS, row_cells),
        (BESIDE_PSNR, BESIDE_HEADINGS, beside_cells),
    ):
        if not result.rows:
            break
        if title is not None:
            console.print(title)
        table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, collapse_padding=True)
        for index, heading in enumerate(headings):
            table.add_column(heading, justify="left" if index < 2 else "right", no_wrap=True)
        previous = None
        for row in result.rows:
            if previous is not None and row.degradation != previous:
                table.add_section()
            previous = row.degradation
            table.add_row(*cells(row))
        console.print(table)
    if result.throughput:
        console.print(SPEED)
        table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, collapse_padding=True)
        for index, heading in enumerate(SPEED_HEADINGS):
            table.add_column(heading, justify="right" if index else "left", no_wrap=True)
        for name, figures in result.throughput.items():
            table.add_row(*speed_cells(name, figures))
        console.print(table)
    for used in result.models:
        console.print(f"{used.title}: {used.provider_actual}, {used.device}, {used.precision}")
        if used.model in result.throughput:
            console.print(f"  {limit_sentence(used.model, result.throughput[used.model])}", soft_wrap=True)
    for topic, sentence in result.protocol.items():
        console.print(f"{topic}: {sentence}", soft_wrap=True)
