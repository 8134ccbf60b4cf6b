"""Progress and wording: what people see on stderr."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from facesr_cli.batch import progress as room
from facesr_cli.batch.progress import Bar, Lines, Silent
from facesr_cli.batch.report import Facts, FileResult
from facesr_cli.batch.wording import counted, printable

_DONE = FileResult(
    source=Path("a [red].png"), status="done", output=Path("b.png"), notes=("IPTC is not kept",)
)
_FAILED = FileResult(
    source=Path("c.png"), status="failed", reason="truncated", message="c.png: ends too early"
)


def _tell(progress):
    progress.begin("face-x2 1.0 on CPUExecutionProvider (fp32): 2 photographs", 2)
    progress.advance(_DONE)
    progress.advance(_FAILED)
    progress.end()


def test_a_log_gets_the_headline_first_and_then_few_lines():
    stream = io.StringIO()
    _tell(Lines(stream))
    assert stream.getvalue() == "face-x2 1.0 on CPUExecutionProvider (fp32): 2 photographs\n"


def test_a_log_is_told_now_and_then(monkeypatch):
    monkeypatch.setattr(room, "_LINE_EVERY_S", 0.0)
    stream = io.StringIO()
    _tell(Lines(stream))
    assert "1/2, " in stream.getvalue() and " s left" in stream.getvalue()


def test_verbose_names_every_file():
    stream = io.StringIO()
    _tell(Lines(stream, each=True))
    assert "done a [red].png -> b.png (0.00 s); IPTC is not kept" in stream.getvalue()
    assert "failed c.png [truncated]" in stream.getvalue()


@pytest.mark.parametrize("each", [False, True])
def test_the_bar_shows_headline_and_failures_without_reading_markup_in_names(each):
    stream = io.StringIO()
    _tell(Bar(stream, each=each))
    text = stream.getvalue()
    assert text.startswith("face-x2 1.0 on")
    assert "failed c.png [truncated]" in text
    assert ("a [red].png" in text) == each


def test_silence():
    _tell(Silent())


def test_names_cannot_disturb_a_terminal():
    assert printable(Path("a\x1b[31m\n.png")) == "a\\x1b[31m\\n.png"
    assert printable(Path("ü é.png")) == "ü é.png"
    if os.name == "posix":
        assert printable(Path(os.fsdecode(b"caf\xe9.png"))) == "caf\ufffd.png"


def test_models_cannot_disturb_a_terminal_either():
    facts = Facts(
        model_name="\x1b]0;x\x07",
        model_version="1\n",
        model_digest="sha256:x",
        scale=2,
        provider_requested="auto",
        provider_actual="CPUExecutionProvider",
        precision="fp32",
    )
    assert facts.headline() == "\\x1b]0;x\\x07 1\\n on CPUExecutionProvider (fp32)"


def test_counted():
    assert [counted(number, "photograph") for number in (0, 1, 2)] == [
        "0 photographs",
        "1 photograph",
        "2 photographs",
    ]
