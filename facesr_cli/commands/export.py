"""`facesr-cli export`: a training checkpoint to a stamped ONNX file, or another stamp on such a file."""

from __future__ import annotations

from pathlib import Path

import click

from facesr_cli.errors import MissingExtraError, UsageError


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
    show_default="not stated",
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
    "--limit-overshoot",
    is_flag=True,
    help="Let the graph keep its result from overshooting beside hard edges, where a network that sharpens "
    "would draw a halo.",
)
@click.option(
    "--weights",
    type=click.Choice(["fp32", "fp16"]),
    default="fp32",
    show_default=True,
    help="How the weights of convolutions are stored; fp16 halves the file. The network computes as before.",
)
@click.option(
    "--partner",
    metavar="FILE",
    help="File name of the network that `upscale --realism 1` stands for; it lies beside the output.",
)
@click.pass_context
def export(
    context: click.Context,
    checkpoint: Path,
    output: Path,
    opset: int,
    license_name: str | None,
    name: str | None,
    mirrorings: str,
    limit_overshoot: bool,
    weights: str,
    partner: str | None,
) -> None:
    """Write the averaged weights of CHECKPOINT as an ONNX file that `upscale --model` takes.

    CHECKPOINT may be a file that this command wrote: its graph is kept, --name, --license and --partner
    change what it says of itself, and --limit-overshoot adds to its end.

    The graph is run beside torch on a photograph, at 512x512, odd sizes and in a batch. Where the outputs
    differ by more than 1e-4, nothing is written and the exit code is 3.
    """
    if checkpoint.suffix.lower() == ".onnx":
        for option, parameter in (
            ("opset", "opset"),
            ("self-ensemble", "mirrorings"),
            ("weights", "weights"),
        ):
            if context.get_parameter_source(parameter) is not click.core.ParameterSource.DEFAULT:
                raise UsageError(f"--{option}: {checkpoint} keeps its graph; export its checkpoint instead")
        from facesr_export.stamping import restamp

        stamped = restamp(
            checkpoint,
            output,
            name=name,
            license_name=license_name,
            partner=partner,
            limit_overshoot=limit_overshoot,
        )
        _print_partner(stamped.info.partner, checked=stamped.partner_checked)
        click.echo(f"{output}: {stamped.info.name}, stamped again, {stamped.size_bytes / 1e6:.1f} MB")
        return
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
        license_name=license_name or "not stated",
        name=name,
        mirrorings=int(mirrorings),
        limit_overshoot=limit_overshoot,
        half_weights=weights == "fp16",
        partner=partner,
    )
    for case in report.cases:
        count, height, width = case.shape
        click.echo(f"parity {count}x3x{height}x{width}: {case.difference:.1e}", err=True)
    if report.rounding is not None:
        click.echo(f"half precision: at most {report.rounding * 255:.2f} levels of 255", err=True)
    _print_partner(partner, checked=report.partner_checked)
    click.echo(
        f"{report.output}: {report.info.name} x{report.info.scale}, opset {report.opset}, "
        f"{report.size_bytes / 1e6:.1f} MB, parity {report.info.parity:.1e}"
    )


def _print_partner(partner: str | None, *, checked: bool) -> None:
    if partner is not None:
        found = "can be blended with it" if checked else "is not beside it yet, so it was not checked"
        click.echo(f"partner: {partner} {found}", err=True)
