"""Outputs of earlier runs among the inputs, and photographs that only look like them."""

from __future__ import annotations

import json
import os

import pytest

from facesr_cli.batch.journal import JOURNAL_NAME, _read
from facesr_cli.errors import CapabilityError


def _own(report):
    return sorted(item.path.name for item in report.ignored if item.reason == "own-output")


def test_the_journal_may_lie_above_the_input(run, album, tmp_path):
    run(album, out=tmp_path / "big")
    report = run(album, tmp_path / "big" / "sub", out=tmp_path / "out")
    assert _own(report) == ["a.png", "ü.webp"]
    assert report.count("done") == 5


def test_a_photograph_with_the_name_of_an_output_is_a_photograph(run, album, tmp_path):
    run(album)
    out = album.with_name("album-x2")
    size = (out / "a.png").stat().st_size
    data = (out / "b.JPG").read_bytes()
    (out / "a.png").write_bytes(bytes(size))  # as long as the output
    (out / "b.JPG").write_bytes(data + b"\0")
    report = run(album, out, out=tmp_path / "out")
    assert len(_own(report)) == 3
    assert {result.source for result in report.files} >= {out / "a.png", out / "b.JPG"}


def test_a_journal_that_names_a_photograph_as_its_own_original_is_not_believed(run, album, tmp_path):
    run(album)
    journal = album.with_name("album-x2") / JOURNAL_NAME
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    received = journal.parent
    journal.write_text("".join(json.dumps({**one, "source": one["output"]}) + "\n" for one in records))
    assert run(received, out=tmp_path / "out").count("done") == 5


def test_names_that_cannot_be_ones_are_no_originals(run, album, tmp_path):
    run(album)
    journal = album.with_name("album-x2") / JOURNAL_NAME
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    odd = ["\0", "a\0/b", "\ud800/x", "x" * 100_000, ""]
    lines = [json.dumps({**one, "source": name}) for one, name in zip(records, odd, strict=True)]
    journal.write_text("\n".join(lines) + "\n")
    assert run(album, journal.parent, out=tmp_path / "out").count("done") == 10


def test_a_journal_among_the_inputs_that_cannot_be_read_is_none(run, album, tmp_path, monkeypatch):
    run(album)
    locked = os.path.join(os.path.realpath(album.with_name("album-x2")), JOURNAL_NAME)
    monkeypatch.setattr("facesr_cli.batch.journal._read", _refusing(locked))
    report = run(album, album.with_name("album-x2"), out=tmp_path / "out")
    assert report.count("done") == 10


def _refusing(locked):
    def read(path):
        if os.fspath(path) == locked:
            raise CapabilityError("cannot be read") from PermissionError(13, "Permission denied")
        return _read(path)

    return read


def test_newer_journals_among_the_inputs_are_refused_and_above_them_passed_over(run, album, tmp_path):
    (album / JOURNAL_NAME).write_text('{"version": 2}\n')
    with pytest.raises(CapabilityError, match="version 2"):
        run(album, out=tmp_path / "out")
    assert run(album / "sub", out=tmp_path / "out").count("done") == 2
