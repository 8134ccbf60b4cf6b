"""How paths and counts are worded for people."""

from __future__ import annotations

import os
from pathlib import PurePath


def printable(path: PurePath) -> str:
    """Return `path` as `escaped` text."""
    return escaped(os.fspath(path))


def escaped(text: str) -> str:
    """Return `text` as any terminal accepts it; bytes of a name that are no UTF-8 become U+FFFD.

    Control characters are escaped, so that the name of a file or of a model cannot move the cursor or
    recolour a log. What is escaped already stays as it is.
    """
    return "".join(
        character
        if character.isprintable()
        else "\ufffd"
        if "\ud800" <= character <= "\udfff"
        else ascii(character)[1:-1]
        for character in text
    )


def duration(seconds: float) -> str:
    """Return "0.3 s", "42 s", "3 min", "5 h 20 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def amount(size_bytes: int) -> str:
    """Return "12 kB", "3.4 MB", "1.2 GB", in powers of a thousand as disks are sold."""
    for power, unit in ((3, "GB"), (2, "MB")):
        if size_bytes >= 1000**power:
            return f"{size_bytes / 1000**power:.1f} {unit}"
    return f"{size_bytes / 1000:.0f} kB"


def counted(number: int, noun: str) -> str:
    """Return "1 photograph", "2 photographs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
