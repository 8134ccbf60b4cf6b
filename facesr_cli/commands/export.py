"""`facesr-cli export`: a training checkpoint to a stamped ONNX file."""

from __future__ import annotations

from pathlib import Path

import click

from facesr_cli.errors import MissingExtraError


@click.command(short_help="Turn a training checkpoint into ONNX.")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.onnx",
    help="File to write.",
)
@click.option(
    "--opset", type=int, default=18, show_default=True, metavar="N", help="ONNX operator set, 18 to 23."
)
@click.option(
    "--license",
    "license_name",
    default="not stated",
    show_default=True,
    metavar="TEXT",
    help="Under which the weights are given away; `models` shows it.",
)
@click.option("--name", metavar="NAME", help="The model's name.  [default: the recipe's]")
@click.option(
    "--self-ensemble",
    "mirrorings",
    type=click.Choice(["1", "2", "4"]),
    default="1",
    show_default=True,
    help="Let the graph average over mirrored inputs: 2 left and right, 4 also top and bottom, and both. "
    "Costs as many times the time, no more memory.",
)
@click.option(
    "--weights",
    type=click.Choice(["fp32", "fp16"]),
    default="fp32",
    show_default=True,
    help="How the weights of convolutions are stored; fp16 halves the file. The network computes as before.",
)
def export(
    checkpoint: Path,
    output: Path,
    opset: int,
    license_name: str,
    name: str | None,
    mirrorings: str,
    weights: str,
) -> None:
    """Write the averaged weights of CHECKPOINT as an ONNX file that `upscale --model` takes.

    The graph is run beside torch on a photograph, at 512x512, odd sizes and in a batch. Where the outputs
    differ by more than 1e-4, nothing is written and the exit code is 3.
    """
    try:
        from facesr_export.exporter import export_checkpoint
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"export needs {error.name}, which is not installed: pip install 'facesr-cli[train]'"
        ) from error
    report = export_checkpoint(
        checkpoint,
        output,
        opset=opset,
        license_name=license_name,
        name=name,
        mirrorings=int(mirrorings),
        half_weights=weights == "fp16",
    )
    for case in report.cases:
        count, height, width = case.shape
        click.echo(f"parity {count}x3x{height}x{width}: {case.difference:.1e}", err=True)
    if report.rounding is not None:
        click.echo(f"half precision: at most {report.rounding * 255:.2f} levels of 255", err=True)
    click.echo(
        f"{report.output}: {report.info.name} x{report.info.scale}, opset {report.opset}, "
        f"{report.size_bytes / 1e6:.1f} MB, parity {report.info.parity:.1e}"
    )
