"""What a run of `benchmarks.cpu` was asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from facesr_cli.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings that the parts share."""

    models: tuple[str, ...]
    """Names or files, as of `upscale`."""
    repeats: int
    """Timed runs of each figure, after one that is not counted."""
    size_px: int
    """Side of the photographs of every part but `growth`."""
    images: int
    """Photographs of each folder of `choices`; `overhead` has 25 times as many."""
    sizes: tuple[int, ...]
    """Sides in pixels for `growth`."""
    files: tuple[int, ...]
    """Numbers of files for `growth`."""
    files_px: int
    """Side of those files."""
    small_limit: bool = False
    """A limit of small convolutions, for tests; its figures mean nothing."""

    def __post_init__(self) -> None:
        positive = (self.repeats, self.size_px, self.images, self.files_px, *self.sizes, *self.files)
        if min(positive) < 1:
            raise UsageError("every number must be at least 1")


Say = Callable[[str], None]
"""Told what is measured now."""

Figures = dict[str, Any]
