"""docs/upscale.md names every reason and every option."""

from __future__ import annotations

import re
from pathlib import Path

import click

from facesr_cli.commands.upscale import upscale

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "upscale.md").read_text(encoding="utf-8")
# As reasons are written: first argument of an error, a keyword, or what a classifying function returns.
_REASON = re.compile(
    r'(?:Error\(\s*|reason ?= ?|_(?:skipped|refused)\(\s*job,\s*|return )"([a-z]+(?:-[a-z]+)*)"'
)


def test_every_reason_is_in_the_tables():
    found = set()
    for room in ("photo", "batch", "model"):
        for path in (_ROOT / "facesr_cli" / room).glob("*.py"):
            found |= set(_REASON.findall(path.read_text(encoding="utf-8")))
    assert {"truncated", "disk-full", "own-output", "exists-unknown", "implausible-output"} <= found
    assert "exists-other-source" in found
    assert sorted(reason for reason in found if f"`{reason}`" not in _PAGE) == []


def test_every_option_is_on_the_page():
    names = {
        name for parameter in upscale.params if isinstance(parameter, click.Option) for name in parameter.opts
    }
    assert sorted(name for name in names if f"`{name}" not in _PAGE) == []
