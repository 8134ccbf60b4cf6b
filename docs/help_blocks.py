"""Writes the help texts of the commands into README.md, or checks that they are current.

A block starts with `<!-- help: COMMAND -->` (or `<!-- help: -->` for the group) and ends with
`<!-- /help -->`. Run `make docs` to rewrite them; a test runs the check.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
_BLOCK = re.compile(r"(<!-- help: ?(?P<command>\w*) -->\n).*?(<!-- /help -->)", re.DOTALL)


def help_text(command: str) -> str:
    """What `facesr-cli COMMAND --help` prints on a terminal 100 columns wide."""
    arguments = [sys.executable, "-m", "facesr_cli", *filter(None, [command]), "--help"]
    # A process of its own, because click remembers help options of commands that were called alone before.
    environment = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    shown = subprocess.run(arguments, env=environment, capture_output=True, encoding="utf-8", check=True)
    return shown.stdout.rstrip("\n")


def with_help(text: str) -> str:
    """`text` with every help block replaced by what the program prints now."""

    def replace(match: re.Match[str]) -> str:
        return f"{match[1]}```text\n{help_text(match['command'])}\n```\n{match[3]}"

    return _BLOCK.sub(replace, text)


def main(arguments: list[str]) -> int:
    """Rewrite README.md with `--write`, else return 1 where it is out of date."""
    text = README.read_text(encoding="utf-8")
    current = with_help(text)
    if "--write" in arguments:
        README.write_text(current, encoding="utf-8")
        return 0
    return int(current != text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
