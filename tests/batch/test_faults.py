"""Disks, permissions and directories that fail in the middle of a run: typed, named, nothing left over."""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest

from facesr_cli.batch.journal import JOURNAL_NAME


@pytest.fixture
def many(tmp_path, photograph):
    """Thirty photographs, half of them in a sub-directory."""
    for number in range(30):
        folder = "sub" if number % 2 else "."
        photograph(tmp_path / "in" / folder / f"{number:02}.png", seed=number)
    return tmp_path / "in"


@pytest.fixture
def after(upscaler):
    """Do something before the n-th inference."""

    def arrange(number, act):
        def watch(_images):
            if len(upscaler.batches) == number:
                act()

        upscaler.broken = watch
        upscaler.batch_size = 1

    return arrange


def _leftovers(directory):
    return [path.name for path in directory.rglob(".facesr*") if path.name != JOURNAL_NAME]


def test_a_disk_that_fills_up_ends_the_run_and_the_same_command_goes_on(
    run, many, tmp_path, after, upscaler, monkeypatch
):
    out, real = tmp_path / "in-x2", os.fsync

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    after(10, lambda: monkeypatch.setattr(os, "fsync", full))
    report = run(many, report=tmp_path / "report.json")

    failed = [result for result in report.files if result.status == "failed"]
    assert failed and {result.reason for result in failed} == {"disk-full"}
    assert all("Make room" in result.message for result in failed)
    assert report.count("done") >= 3 and report.count("not-started") >= 5, "no inference for nothing"
    assert {result.reason for result in report.files if result.status == "not-started"} == {"disk-full"}
    assert report.exit_code == 1 and _leftovers(out) == []
    assert json.loads((tmp_path / "report.json").read_text())["counts"]["failed"] == len(failed)

    monkeypatch.setattr(os, "fsync", real)
    second = run(many)
    assert second.exit_code == 0 and second.count("done") + second.count("skipped") == 30
    # A file whose name the disk had but could not confirm counts as failed, and is found whole again.
    assert report.count("done") <= second.count("skipped") <= report.count("done") + len(failed)


def test_a_directory_in_the_tree_without_permission_fails_only_what_belongs_there(
    run, many, tmp_path, monkeypatch
):
    out, real = tmp_path / "in-x2", os.open

    def refuse(path, flags, *rest, **more):
        if isinstance(path, os.PathLike) and os.fspath(path).startswith(str(out / "sub")):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    report = run(many)
    assert (report.count("done"), report.count("failed")) == (15, 15)
    assert {result.reason for result in report.files} == {None, "write-no-permission"}
    assert _leftovers(out) == []


def test_an_output_directory_without_permission_ends_the_run(run, many, tmp_path, after, monkeypatch):
    out, real = tmp_path / "in-x2", os.open

    def refuse(path, flags, *rest, **more):
        if isinstance(path, os.PathLike) and os.fspath(path).startswith(str(out)) and flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags, *rest, **more)

    after(10, lambda: monkeypatch.setattr(os, "open", refuse))
    report = run(many)
    monkeypatch.setattr(os, "open", real)
    assert {result.reason for result in report.files if result.status == "failed"} == {"write-no-permission"}
    assert {result.reason for result in report.files if result.status == "not-started"} == {"output-lost"}
    assert report.count("done") >= 3 and report.exit_code == 1
    second = run(many)
    assert second.exit_code == 0 and second.count("skipped") == report.count("done")


@pytest.mark.parametrize("fate", ["deleted", "moved"])
def test_an_output_directory_that_goes_away_ends_the_run_and_is_not_made_again(
    run, many, tmp_path, after, fate
):
    out = tmp_path / "in-x2"

    def go():
        if fate == "moved":
            out.rename(tmp_path / "moved")
            return
        while out.exists():  # encoders may be writing into it
            shutil.rmtree(out, ignore_errors=True)

    after(12, go)
    report = run(many)
    failed = [result for result in report.files if result.status == "failed"]
    assert failed and {result.reason for result in failed} <= {"output-lost", "write-failed"}
    assert "moved or deleted" in "".join(result.message for result in failed)
    assert {result.reason for result in report.files if result.status == "not-started"} == {"output-lost"}
    assert report.exit_code == 1
    assert not [path for path in out.rglob("*") if path.is_file()]
    second = run(many)
    assert second.exit_code == 0 and second.count("done") == 30


def test_a_report_that_cannot_be_written_loses_nothing_else(run, many, tmp_path, after):
    (tmp_path / "reports").mkdir()
    (tmp_path / "in" / "00.png").write_bytes(b"")
    path = tmp_path / "reports" / "report.json"

    def block():
        (tmp_path / "reports").rename(tmp_path / "gone")
        (tmp_path / "reports").touch()

    after(10, block)
    report = run(many, report=path)
    assert report.count("done") == 29 and report.error is not None
    assert "report.json" in str(report.error) and report.exit_code == 1


def test_leftovers_of_a_killed_run_are_swept_even_where_their_source_is_gone(run, many, tmp_path):
    out = tmp_path / "in-x2"
    (out / "sub").mkdir(parents=True)
    for folder in (out, out / "sub"):
        (folder / ".facesr-0123456789abcdef.part").write_bytes(b"half")
        (folder / ".facesr-notes.part").write_bytes(b"of someone else")
    run(many)
    assert sorted(_leftovers(out)) == [".facesr-notes.part"] * 2


@pytest.mark.parametrize("existing", ["resume", "skip"])
def test_a_file_that_appears_during_the_run_is_not_replaced_then_nor_later(
    run, many, tmp_path, after, existing
):
    out = tmp_path / "in-x2"
    after(2, lambda: (out / "28.png").write_bytes(b"precious"))
    report = run(many, existing=existing)
    (failure,) = [result for result in report.files if result.status == "failed"]
    assert failure.source.name == "28.png" and failure.reason == "exists-unknown"
    assert report.count("done") == 29
    assert run(many).count("failed") == 1, "no journal says that it was made here"
    assert (out / "28.png").read_bytes() == b"precious" and _leftovers(out) == []
    assert run(many, existing="overwrite").count("done") == 30


def test_overwrite_replaces_also_what_appears_during_the_run(run, many, tmp_path, after):
    after(2, lambda: (tmp_path / "in-x2" / "28.png").write_bytes(b"not precious"))
    assert run(many, existing="overwrite").count("done") == 30


def test_a_name_whose_write_failed_is_not_ours_afterwards(run, many, tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", fail)
        patched.setattr(os, "replace", fail)
        assert run(many).count("failed") == 30
    (tmp_path / "in-x2").mkdir(exist_ok=True)
    (tmp_path / "in-x2" / "00.png").write_bytes(b"precious")
    report = run(many)
    assert report.count("done") == 29 and report.files[0].reason == "exists-unknown"
    assert (tmp_path / "in-x2" / "00.png").read_bytes() == b"precious"


def test_a_report_in_an_output_directory_that_is_gone_does_not_make_it_again(run, many, tmp_path, after):
    out = tmp_path / "out"
    out.mkdir()

    def go():
        while out.exists():
            shutil.rmtree(out, ignore_errors=True)

    after(12, go)
    report = run(many, out=out, report=out / "report.json")
    assert not out.exists()
    assert "report.json" in str(report.error) and report.exit_code == 1
