"""The `facesr-cli` command group: names the commands and turns our errors into exit codes."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from facesr_cli import __version__
from facesr_cli.commands.bench import bench
from facesr_cli.commands.doctor import doctor
from facesr_cli.commands.export import export
from facesr_cli.commands.models import models
from facesr_cli.commands.train import train
from facesr_cli.commands.upscale import upscale
from facesr_cli.errors import FacesrError
from facesr_cli.streams import StdoutError, discard_stdout, prepare_streams


def _home(word: str) -> str:
    """`~` at the beginning of a path, which the shells of Windows leave to programs."""
    return os.path.expanduser(word) if word.startswith("~") else word


class _Group(click.Group):
    def main(self, *args: Any, **options: Any) -> Any:
        prepare_streams()
        # On Windows click would expand the patterns of --include, too. `upscale` does it for INPUT.
        options.setdefault("windows_expand_args", False)
        if os.name == "nt" and not args and options.get("args") is None:
            options["args"] = [_home(word) for word in sys.argv[1:]]
        try:
            return super().main(*args, **options)
        except StdoutError as error:  # other than of a pipe that has no reader any more, which click knows
            discard_stdout()
            click.echo(f"Error: stdout cannot be written ({error.strerror}).", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FacesrError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Doubles the resolution of photographs of people: the same person, sharper.

    Exit codes: 0 all done; 1 finished, but some inputs failed; 2 wrong usage; 3 the model, provider or
    installation cannot do what was asked; 130 interrupted (upscale: the same command continues;
    train: with --resume).
    """


for _command in (upscale, bench, export, train, models, doctor):
    cli.add_command(_command)
