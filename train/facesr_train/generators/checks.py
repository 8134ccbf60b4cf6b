"""Checks of configurations, each with the message that a recipe's author reads."""

from __future__ import annotations

from collections.abc import Sequence


def check_positive(**numbers: int) -> None:
    """Raise ValueError for a number below 1."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"generator.{name} must be at least 1, not {number}")


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise ValueError for a word that is none of `choices`."""
    if value not in choices:
        raise ValueError(f"generator.{name} must be one of {', '.join(map(str, choices))}, not {value!r}")


def check_flag(**flags: object) -> None:
    """Raise ValueError for anything but true and false."""
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"generator.{name} must be true or false, not {flag!r}")


def checked_widths(name: str, widths: object) -> tuple[int, ...]:
    """`widths`, a list in TOML, as a tuple; ValueError unless it holds at least one whole number above 0."""
    if not isinstance(widths, list | tuple) or not widths:
        raise ValueError(f"generator.{name} must be a list of at least one width, not {widths!r}")
    if not all(isinstance(width, int) and not isinstance(width, bool) and width > 0 for width in widths):
        raise ValueError(f"generator.{name} must hold whole numbers above 0, not {widths!r}")
    return tuple(widths)
