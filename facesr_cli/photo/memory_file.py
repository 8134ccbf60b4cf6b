"""Files in memory that Pillow writes to without stopping other threads."""

from __future__ import annotations

import contextlib
import io
import os
from typing import IO, Any

from PIL import Image

_TO_SYSTEM_FILES = frozenset(("JPEG",))
"""Formats whose encoder holds Python's interpreter lock unless it writes to a file of the system (Pillow 12,
`encode_to_file` in encode.c). The others give it up by themselves; PNG's crashes if it is given up twice."""

_MFD_NOEXEC_SEAL = 0x8
"""Of Linux 6.3; systems with `vm.memfd_noexec=2` demand it."""


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Return the file that Pillow makes of `image`; errors and options as of `Image.save`."""
    with _memory_file(file_format) as file:
        image.save(file, file_format, **options)
        file.seek(0)
        return file.read()


def _memory_file(file_format: str) -> IO[bytes]:
    """An empty file in memory: of the system where that helps (memfd_create(2), Linux), else Python's."""
    if file_format.upper() in _TO_SYSTEM_FILES and hasattr(os, "memfd_create"):
        for flags in (os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL, os.MFD_CLOEXEC):
            # The kernel may be older than the flag, or not allow such files; then one core encodes at a time.
            with contextlib.suppress(OSError):
                return os.fdopen(os.memfd_create("facesr", flags), "w+b")
    return io.BytesIO()
