"""Opening a photograph with Pillow, unmapped."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFile


class _Unmapped(io.BufferedReader):
    """A file that Pillow and libtiff read instead of mapping it into memory.

    Touching a mapped page behind the end of a file that has become shorter kills the process (SIGBUS).
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    """Open `path` as `Image.open` does, errors too; a file that shrinks meanwhile only fails."""
    with _Unmapped(io.FileIO(path)) as file, Image.open(file) as image:
        yield image
