"""How paths and counts are worded for people."""

from __future__ import annotations

import os
from pathlib import PurePath


def printable(path: PurePath) -> str:
    """Return `path` as text that any terminal accepts; bytes that are no UTF-8 become U+FFFD.

    Control characters in a name are escaped, so that a file name cannot move the cursor or recolour a log.
    """
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def counted(number: int, noun: str) -> str:
    """Return "1 photograph", "2 photographs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
