"""The journal as a file: lines from many threads, torn ends, and failing disks."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from facesr_cli.batch.journal import JOURNAL_NAME, JOURNAL_VERSION, Entry, Journal
from facesr_cli.errors import WriteFailedError

_ENTRY = Entry(
    state="done",
    source="../in/a.png",
    source_size=10,
    source_mtime_ns=123,
    model="sha256:m",
    settings="sha256:s",
    output="a.png",
    output_size=40,
    output_sha256="0" * 64,
)


def test_nothing_is_created_by_looking(tmp_path):
    journal = Journal(tmp_path / "out")
    assert journal.entry("a.png") is None
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_lines_are_versioned_json_and_the_last_one_counts(tmp_path):
    journal = Journal(tmp_path / "out")
    journal.append(replace(_ENTRY, state="writing"))
    journal.append(_ENTRY)
    journal.close()
    lines = [json.loads(line) for line in (tmp_path / "out" / JOURNAL_NAME).read_text().splitlines()]
    assert [(line["version"], line["state"]) for line in lines] == [
        (JOURNAL_VERSION, "writing"),
        (JOURNAL_VERSION, "done"),
    ]
    assert Journal(tmp_path / "out").entry("a.png") == _ENTRY


@pytest.mark.parametrize("torn_at", [1, 30, 80])
def test_a_torn_last_line_costs_only_itself(tmp_path, torn_at):
    journal = Journal(tmp_path)
    journal.append(_ENTRY)
    journal.append(replace(_ENTRY, output="b.png"))
    journal.close()
    path = tmp_path / JOURNAL_NAME
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:torn_at])

    journal = Journal(tmp_path)
    assert set(journal.entries()) == {"a.png"}
    journal.append(replace(_ENTRY, output="c.png"))
    journal.close()
    assert set(Journal(tmp_path).entries()) == {"a.png", "c.png"}


def test_threads_do_not_mix_their_lines(tmp_path):
    journal = Journal(tmp_path)

    def write(number):
        for index in range(20):
            journal.append(replace(_ENTRY, output=f"{number}-{index}.png"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert len(Journal(tmp_path).entries()) == 160


def test_a_journal_that_cannot_be_written_fails_the_photograph_by_type(tmp_path):
    (tmp_path / JOURNAL_NAME).touch()
    journal = Journal(tmp_path)
    (tmp_path / JOURNAL_NAME).unlink()
    (tmp_path / JOURNAL_NAME).mkdir()
    with pytest.raises(WriteFailedError, match=JOURNAL_NAME):
        journal.append(_ENTRY)
