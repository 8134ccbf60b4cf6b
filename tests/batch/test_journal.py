"""The journal as a file: lines from many threads, torn ends, and failing disks."""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import replace

import pytest

from facesr_cli.batch.journal import JOURNAL_NAME, JOURNAL_VERSION, Entry, Journal
from facesr_cli.errors import CapabilityError, WriteFailedError

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
    path = tmp_path / "out" / JOURNAL_NAME
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["version"], line["state"]) for line in lines] == [
        (JOURNAL_VERSION, "writing"),
        (JOURNAL_VERSION, "done"),
    ]
    assert Journal(tmp_path / "out").entry("a.png") == _ENTRY
    journal.close()
    assert Journal(tmp_path / "out").entry("a.png") == _ENTRY


def test_a_closed_journal_has_one_line_per_output_sorted(tmp_path):
    journal = Journal(tmp_path)
    for output in ("b.png", "a.png", "c.png"):
        journal.append(replace(_ENTRY, state="writing", output=output))
        journal.append(replace(_ENTRY, output=output))
    journal.close()
    lines = [json.loads(line) for line in (tmp_path / JOURNAL_NAME).read_text().splitlines()]
    assert [(line["output"], line["state"]) for line in lines] == [
        ("a.png", "done"),
        ("b.png", "done"),
        ("c.png", "done"),
    ]


def test_an_opened_journal_without_lines_leaves_no_file(tmp_path):
    journal = Journal(tmp_path / "out")
    journal.open()
    assert journal.path.exists()
    journal.close()
    assert not journal.path.exists()


def test_another_writer_is_noticed(tmp_path):
    journal, other = Journal(tmp_path), Journal(tmp_path)
    assert not journal.is_stale()
    other.append(_ENTRY)
    assert journal.is_stale()
    other.close()


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_a_journal_that_is_no_plain_file_is_refused(tmp_path, kind):
    path = tmp_path / "out" / JOURNAL_NAME
    path.parent.mkdir()
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(CapabilityError, match="no regular file"):
        Journal(path.parent)


@pytest.mark.parametrize("fate", ["deleted", "moved", "replaced"])
def test_a_directory_that_is_gone_is_never_made_again(tmp_path, fate):
    out = tmp_path / "out"
    journal = Journal(out)
    journal.append(_ENTRY)
    if fate == "deleted":
        shutil.rmtree(out)
    else:
        out.rename(tmp_path / "moved")
    if fate == "replaced":
        out.mkdir()
    with pytest.raises(WriteFailedError, match="moved or deleted") as caught:
        journal.append(_ENTRY)
    assert caught.value.reason == "output-lost"
    journal.close()
    assert not (out / JOURNAL_NAME).exists()


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
