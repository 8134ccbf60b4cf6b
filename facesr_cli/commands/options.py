"""Options that several commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])

PROVIDERS = ("auto", "cpu", "cuda", "tensorrt", "openvino", "coreml", "directml")
PRECISIONS = ("auto", "fp32", "fp16", "bf16")


if TYPE_CHECKING:
    _Parameter = click.ParamType[int | None]
else:
    _Parameter = click.ParamType


class AutoInt(_Parameter):
    """A positive whole number, or the word `auto`, which becomes None."""

    name = "auto|N"

    def __init__(self, minimum: int = 1, unit: str = "N") -> None:
        self.minimum = minimum
        self.name = f"auto|{unit}"

    def convert(
        self, value: str | int | None, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Return None for `auto`, else the number."""
        if value is None or value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither 'auto' nor a whole number", param, ctx)
        if number < self.minimum:
            self.fail(f"{number} is less than {self.minimum}", param, ctx)
        return number


def inference_options(command: _Command) -> _Command:
    """Add --provider, --device, --precision, --batch-size and --tile."""
    decorators = (
        click.option(
            "--provider",
            type=click.Choice(PROVIDERS),
            default="auto",
            show_default=True,
            help="Where the network runs. A named provider is used or the command exits with 3.",
        ),
        click.option(
            "--device",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            metavar="N",
            help="Which GPU, counted from 0.",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default="auto",
            show_default=True,
            help="Arithmetic of the network; auto is fp16 on CUDA and TensorRT, else fp32.",
        ),
        click.option(
            "--batch-size",
            type=AutoInt(),
            default="auto",
            show_default=True,
            help="Photographs of equal size that cross to the device together.",
        ),
        click.option(
            "--tile",
            type=AutoInt(minimum=32, unit="PX"),
            default="auto",
            show_default=True,
            help="Largest side of the input that is processed at once.",
        ),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command
