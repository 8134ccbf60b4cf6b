"""Says what a long measurement does, on several streams at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TextIO


class Log:
    """Tells people what is done, with the seconds since the start."""

    def __init__(self, streams: Sequence[TextIO]) -> None:
        self._streams = streams
        self._begun_s = time.monotonic()

    def __call__(self, text: str) -> None:
        for stream in self._streams:
            stream.write(f"{time.monotonic() - self._begun_s:8.1f} s  {text}\n")
            stream.flush()
