"""Outputs stay inside their output directory, whatever links lie in it."""

from __future__ import annotations

import os
from pathlib import Path

from facesr_cli.batch.wording import printable
from facesr_cli.errors import WriteFailedError


def leads_outside(directory: Path, root: Path) -> bool:
    """Return whether writing into `directory` would, through links or `..`, write outside `root`.

    Args:
        directory: Below `root` by its name; it and its parents need not exist yet.
        root: The output directory, which may itself be a link: the user has named it.
    """
    top = os.path.normcase(os.path.realpath(root))
    place = os.path.normcase(os.path.realpath(directory))
    return place != top and not place.startswith(top.rstrip(os.sep) + os.sep)


def refuse_outside(directory: Path, root: Path) -> None:
    """Raise WriteFailedError, `outside-output`, where `leads_outside`."""
    if leads_outside(directory, root):
        raise WriteFailedError(
            "outside-output",
            f"{printable(directory)} leads out of {printable(root)} through a link, so nothing is written "
            "there. Replace the link by a directory, or choose another -o.",
        )
