"""`facesr-cli doctor`: what this installation can do, tried out rather than looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from facesr_cli.model.diagnosis import Diagnosis, ProviderReport


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a report.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Run the default model on every provider of this installation.

    Each provider upscales one photograph, is timed, and its picture is compared with the CPU's. What is
    missing is named with the command that installs it. Exits with 3 if the default model cannot run.
    """
    import json

    from facesr_cli.model.diagnosis import diagnose

    diagnosis = diagnose()
    if as_json:
        click.echo(json.dumps(diagnosis.to_json(), indent=2))
    else:
        _print(diagnosis)
    ctx.exit(diagnosis.exit_code)


def _print(diagnosis: Diagnosis) -> None:
    wheels = ", ".join(f"{name} {version}" for name, version in diagnosis.wheels.items())
    packages = ", ".join(f"{name} {version}" for name, version in diagnosis.packages.items())
    lines = {
        "facesr-cli": diagnosis.version,
        "Python": diagnosis.python,
        "system": diagnosis.system,
        "CPU": f"{diagnosis.cpu}, {diagnosis.cpus} usable",
        "NVIDIA GPU": ", ".join(diagnosis.gpus) or "none seen",
        "packages": packages,
        "onnxruntime": wheels or "none",
        "training": "installed"
        if diagnosis.train_extra
        else 'not installed; pip install "facesr-cli[train]"',
        "model": diagnosis.model,
    }
    for title, value in lines.items():
        click.echo(_entry(title, value))
    if diagnosis.providers:
        click.echo()
        for report in diagnosis.providers:
            click.echo(_entry(report.title, _provider_text(report)))
    click.echo()
    for problem in diagnosis.problems:
        click.echo(f"Problem: {problem}")
    if diagnosis.default is not None:
        click.echo(f"Ready. The default is {diagnosis.default}")
    else:
        click.echo("Not ready: the default model cannot run.")


def _provider_text(report: ProviderReport) -> str:
    if report.median_s is None:
        return f"{report.status}: {report.detail}"
    return (
        f"{report.status}: {report.precision}, {report.median_s * 1000:.0f} ms for a 512x512 photograph, "
        f"{report.max_difference} levels from the CPU's picture; {report.detail}"
    )


def _entry(title: str, text: str) -> str:
    # Lines are left to the terminal to wrap, so that the commands in them can be copied.
    return f"{title:<20}{text}"
