"""docs/photos.md names only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

_HERE = Path(__file__).parent
_PAGE = (_HERE.parents[1] / "docs" / "photos.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    existing = {
        name
        for path in _HERE.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", _PAGE))
    assert len(named) > 40
    assert named <= existing, named - existing
