"""`facesr-cli upscale`: photographs, and directories of them, to larger ones."""

from __future__ import annotations

import glob
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facesr_cli.commands.options import AutoInt, inference_options

if TYPE_CHECKING:
    from facesr_cli.batch.inference import PhotoUpscaler
    from facesr_cli.batch.progress import Progress
    from facesr_cli.batch.report import Report
    from facesr_cli.batch.settings import Settings


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="File or directory to write; by default DIR-x2 or NAME-x2.EXT beside each INPUT.",
)
@click.option(
    "--model",
    default="face-x2",
    show_default=True,
    metavar="NAME|FILE",
    help="A bundled model (see 'models') or an ONNX file.",
)
@click.option(
    "--realism",
    type=click.FloatRange(0, 1),
    metavar="0..1",
    help="From 0, closest to the source, to 1, most texture; for models that offer it.",
)
@inference_options(several_devices=True)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(("same", "png", "jpeg", "webp", "tiff")),
    default="same",
    show_default=True,
    help="Kind of file to write.",
)
@click.option(
    "--quality", type=click.IntRange(1, 100), metavar="N", help="Of JPEG, WebP, AVIF and HEIC; 95 by default."
)
@click.option(
    "--existing",
    type=click.Choice(("resume", "skip", "overwrite", "error")),
    default="resume",
    show_default=True,
    help="What to do where an output exists; resume redoes what has changed.",
)
@click.option("--verify", is_flag=True, help="On resume, read outputs and redo those that were altered.")
@click.option("--include", multiple=True, metavar="GLOB", help="Take only these files of directories.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these files and directories out.")
@click.option(
    "--metadata",
    type=click.Choice(("keep", "strip")),
    default="keep",
    show_default=True,
    help="EXIF, XMP, IPTC, comments, dpi; the colour profile always stays.",
)
@click.option(
    "--max-megapixels",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Refuse larger photographs, against decompression bombs; 178.9 by default.",
)
@click.option(
    "--workers",
    type=AutoInt(),
    default="auto",
    show_default=True,
    help="Threads that read photographs, and as many that write them.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Write what became of every photograph to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the same document on stdout.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, time and disk; write nothing.")
@click.option("--fail-fast", is_flag=True, help="Stop after the first photograph that fails.")
@click.option("-q", "--quiet", is_flag=True, help="Tell failures only.")
@click.option("-v", "--verbose", is_flag=True, help="Tell every file, also those that are ignored.")
@click.pass_context
def upscale(
    ctx: click.Context, /, *, as_json: bool, dry_run: bool, quiet: bool, verbose: bool, **flags: Any
) -> None:
    """Enlarge photographs of people; directories are walked, and their tree is kept.

    INPUT is any mix of files and directories. One that fails never ends the run, sources are never changed,
    and the same command continues a run that was interrupted.
    """
    if quiet and verbose:
        raise click.UsageError("-q and -v contradict each other.")
    from facesr_cli.batch.run import run_batch
    from facesr_cli.batch.settings import Settings

    flags["inputs"] = _expanded(flags["inputs"]) if os.name == "nt" else flags["inputs"]
    settings = Settings(tile_px=flags.pop("tile"), **flags)
    if dry_run:
        ctx.exit(_dry_run(settings, as_json=as_json, verbose=verbose))
    report = run_batch(
        settings, upscaler_factory=_open_upscaler, progress=_progress(quiet=quiet, verbose=verbose)
    )
    _tell(report, quiet=quiet, verbose=verbose)
    ctx.exit(_print_document(report) if as_json else report.exit_code)


def _expanded(inputs: tuple[Path, ...]) -> tuple[Path, ...]:
    """Inputs with patterns replaced by what they match: for Windows, whose shells leave that to programs."""
    expanded: list[Path] = []
    for path in inputs:
        matches = [] if path.exists() else sorted(glob.glob(str(path), recursive=True))
        expanded += map(Path, matches) if matches else [path]
    return tuple(expanded)


def _print_document(report: Report) -> int:
    """Print the report on stdout; where that fails, a run that went well has failed after all."""
    from facesr_cli.streams import discard_stdout

    try:
        click.echo(report.to_json_text(), nl=False)
    except OSError as error:
        discard_stdout()
        click.echo(f"Error: the document cannot be written to stdout ({error.strerror}).", err=True)
        return report.exit_code or 1
    return report.exit_code


def _open_upscaler(settings: Settings) -> PhotoUpscaler:
    """Open the real network; ModelError and ProviderError come from here, before anything is written."""
    from facesr_cli.batch.fleet import Fleet
    from facesr_cli.model.devices import open_on_devices
    from facesr_cli.model.upscaler import Upscaler

    def open_one(provider: str, device: int) -> Upscaler:
        return Upscaler(
            settings.model,
            provider=provider,
            device=device,
            precision=settings.precision,
            batch_size=settings.batch_size,
            tile_px=settings.tile_px,
            realism=settings.realism,
            tell=_note,
        )

    upscalers = open_on_devices(open_one, provider=settings.provider, device=settings.device)
    if upscalers[0].provider.warning:
        _note(upscalers[0].provider.warning)
    info = upscalers[0].info
    if info.drift:
        _note(
            f"{info.name} moves the brightness of pictures, by up to {info.drift} of 255 levels when it was "
            "exported."
        )
    return upscalers[0] if len(upscalers) == 1 else Fleet(tuple(upscalers))


def _note(sentence: str) -> None:
    click.echo(f"note: {sentence}", err=True)


def _dry_run(settings: Settings, *, as_json: bool, verbose: bool) -> int:
    import json

    from facesr_cli.batch.dry_run import dry_run
    from facesr_cli.batch.report import ignored_lines, nothing_found
    from facesr_cli.model.catalogue import resolve_model
    from facesr_cli.model.info import read_model
    from facesr_cli.model.network import mix

    model = mix(read_model(resolve_model(settings.model)), settings.realism)
    plan = dry_run(settings, model.info, upscaler_factory=_open_upscaler)
    if as_json:
        click.echo(json.dumps(plan.to_json(), indent=2))
    else:
        for line in plan.lines():
            click.echo(line)
    for line in ignored_lines(plan.ignored, each=verbose):
        click.echo(line, err=True)
    if not plan.steps:
        click.echo(nothing_found(), err=True)
    return plan.exit_code


def _progress(*, quiet: bool, verbose: bool) -> Progress:
    from facesr_cli.batch.progress import Bar, Lines, Silent

    if quiet:
        return Silent()
    shown = Bar if sys.stderr.isatty() else Lines
    return shown(sys.stderr, each=verbose)


def _tell(report: Report, *, quiet: bool, verbose: bool) -> None:
    """Say on stderr how it ended; failures last, where they are seen."""
    from facesr_cli.batch.report import ignored_lines, nothing_found

    lines = [] if quiet else [*ignored_lines(report.ignored, each=verbose), *report.notes(), report.summary()]
    if not (quiet or report.files or report.signal or report.error):
        lines.append(nothing_found())
    if verbose and (stages := report.stages.line()):
        lines.append(stages)
    if not quiet and (destination := report.destination()):
        lines.append(destination)
    for line in (*lines, *report.failures()):
        click.echo(line, err=True)
    if report.error is not None:
        click.echo(f"Error: {report.error}", err=True)
