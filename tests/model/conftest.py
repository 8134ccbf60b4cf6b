"""Fixtures of tests that are about pictures, not about providers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from facesr_cli.model import choosing
from facesr_cli.model.upscaler import Upscaler


@pytest.fixture(scope="module")
def upscaler(tiny_model: Path) -> Iterator[Upscaler]:
    """The tiny model on the CPU, with one thread."""
    with Upscaler(tiny_model, provider="cpu", threads=1) as opened:
        yield opened


@pytest.fixture
def only_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever onnxruntime is installed, `auto` is the CPU."""
    monkeypatch.setattr(choosing, "AUTO_ORDER", ("cpu",))
