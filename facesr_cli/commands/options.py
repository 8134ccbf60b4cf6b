"""Options that several commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])

PROVIDERS = ("auto", "cpu", "cuda", "tensorrt", "openvino", "coreml", "directml")
PRECISIONS = ("auto", "fp32", "fp16", "bf16")


if TYPE_CHECKING:
    _Parameter = click.ParamType[int | None]
    _Device = click.ParamType[int | Literal["all"]]
else:
    _Parameter = _Device = click.ParamType


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


class DeviceNumber(_Device):
    """The number of a GPU, from 0, or the word `all`, which stays a word."""

    name = "N|all"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["all"]:
        """Return the number, or `all`."""
        if value == "all":
            return "all"
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither 'all' nor a whole number", param, ctx)
        if number < 0:
            self.fail(f"{number} is less than 0", param, ctx)
        return number


def inference_options(*, several_devices: bool = False) -> Callable[[_Command], _Command]:
    """Add --provider, --device, --precision, --batch-size and --tile.

    Args:
        several_devices: Whether --device takes `all`.
    """
    return lambda command: _add_inference_options(command, several_devices)


def _add_inference_options(command: _Command, several_devices: bool) -> _Command:
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
            type=DeviceNumber() if several_devices else click.IntRange(min=0),
            default=0,
            show_default=True,
            metavar="N|all" if several_devices else "N",
            help="Which GPU, counted from 0, or all of them."
            if several_devices
            else "Which GPU, counted from 0.",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default="auto",
            show_default=True,
            help="Arithmetic of the network; auto is fp16 on CUDA and TensorRT, bf16 on OpenVINO where the "
            "CPU computes in it and the picture stays the same, else fp32.",
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
