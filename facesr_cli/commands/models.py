"""`facesr-cli models`: the bundled models side by side, or all there is to know about one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from facesr_cli.model.description import Description
    from facesr_cli.model.info import ModelInfo


@click.command()
@click.argument("model", required=False, metavar="[NAME|FILE]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
def models(model: str | None, as_json: bool) -> None:
    """List the bundled models, or describe one model.

    NAME is a bundled model, FILE any ONNX upscaler. A file without facesr metadata is run once on a small
    picture to find its scale.
    """
    import json

    from facesr_cli.model.catalogue import DEFAULT_MODEL, bundled_names, resolve_model
    from facesr_cli.model.description import describe

    names = bundled_names() if model is None else (model,)
    described = [describe(resolve_model(name)) for name in names]
    if as_json:
        document = [one.to_json() for one in described]
        click.echo(json.dumps(document if model is None else document[0], indent=2))
    elif model is not None:
        _print_columns([_all_rows(described[0])])
    elif described:
        _print_columns([_main_rows(one) for one in described])
        click.echo("More about one: facesr-cli models NAME", err=True)
    else:
        resolve_model(DEFAULT_MODEL)  # says what is wrong with this installation


def _main_rows(one: Description) -> dict[str, str]:
    """What people compare models by; row titles are shared by all models."""
    info = one.info
    return {
        "name": info.name,
        "version": info.version or "not stated",
        "scale": f"{info.scale}x",
        "parameters": f"{one.parameters:,}",
        "size": _size(one.size_bytes) + (f", weights in {one.weights}" if one.weights else ""),
        "halo": _halo(info),
        "licence": info.license or "not stated",
        "training data": info.data or "not stated",
        "degradations": ", ".join(info.degradations) or "not stated",
        "realism": f"0 to 1, towards {info.partner}" if info.partner else "fixed",
        "figures": "\n".join(f"{label}: {value}" for label, value in one.figures.items()) or "not stated",
    }


def _all_rows(one: Description) -> dict[str, str]:
    info = one.info
    foreign = {key: value for key, value in one.properties.items() if not key.startswith("facesr.")}
    return {
        **_main_rows(one),
        "input sizes": "any" if info.multiple == 1 else f"any, padded to a multiple of {info.multiple}",
        "recipe": info.recipe or "not stated",
        "parity": "not stated" if info.parity is None else f"{info.parity:g} from its checkpoint at export",
        **({"brightness": f"moved by up to {info.drift} of 255 levels"} if info.drift else {}),
        "contract": "none; scale found by running it" if info.contract is None else str(info.contract),
        "file": str(one.path),
        "digest": info.digest,
        "opset": str(one.opset),
        "input": "\n".join(one.inputs),
        "output": "\n".join(one.outputs),
        "made by": one.producer or "not stated",
        **foreign,
    }


def _halo(info: ModelInfo) -> str:
    if info.whole_picture:
        return "the whole picture; tiles change the result"
    return "not stated; tiles are blended" if info.halo is None else f"{info.halo} px"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB" if size_bytes >= 2**20 else f"{size_bytes / 2**10:.1f} KiB"


def _print_columns(columns: list[dict[str, str]]) -> None:
    """Print one column per model; long values are folded, never cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from facesr_cli.batch.wording import escaped

    def shown(text: str) -> Text:  # a file from elsewhere may state anything about itself
        return Text("\n".join(map(escaped, text.split("\n"))))

    table = Table(box=box.SIMPLE_HEAD, show_header=False, show_edge=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    for _ in columns:
        table.add_column(overflow="fold")
    for title in dict.fromkeys(title for column in columns for title in column):
        table.add_row(shown(title), *(shown(column.get(title, "")) for column in columns))
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
        return
    plain = Console(highlight=False, width=100)
    with plain.capture() as captured:
        plain.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
