"""Where facesr-cli keeps what can be made again: compiled engines, converted weights."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The user's folder for this program; it need not exist yet.

    The environment variable FACESR_CACHE names it directly. Without it: `facesr-cli` in LOCALAPPDATA on
    Windows, elsewhere in XDG_CACHE_HOME or `~/.cache`.
    """
    if named := os.environ.get("FACESR_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "facesr-cli"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facesr-cli"
