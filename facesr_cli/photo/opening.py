"""Opening a photograph with Pillow, unmapped."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

_PROGRAMS = frozenset(("EPS", "WMF", "EMF"))
"""Formats that are programs for a printer or a screen. Pillow leaves them to others, without a limit of time:
PostScript to Ghostscript, for whatever name a file of somebody else has."""


class _Unmapped(io.BufferedReader):
    """A file that Pillow and libtiff read instead of mapping it into memory.

    Touching a mapped page behind the end of a file that has become shorter kills the process (SIGBUS).
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    """Open `path` as `Image.open` does, errors too; a file that shrinks meanwhile only fails.

    Programs that draw pictures count as files that Pillow does not know.
    """
    with _Unmapped(io.FileIO(path)) as file, Image.open(file) as image:
        if image.format in _PROGRAMS:
            raise UnidentifiedImageError(f"cannot identify image file {path}")
        yield image
