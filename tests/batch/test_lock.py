"""One run at a time per output directory; the lock of a dead process does not count."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from facesr_cli.batch import lock as module
from facesr_cli.batch.agenda import Plan
from facesr_cli.batch.atomic import abandon
from facesr_cli.batch.claims import claim
from facesr_cli.batch.existing import Recipe
from facesr_cli.batch.journal import JOURNAL_NAME, Journal
from facesr_cli.batch.lock import LOCK_NAME, DirectoryLock
from facesr_cli.batch.plan import Job
from facesr_cli.errors import CapabilityError, WriteFailedError
from facesr_cli.photo.formats import FileFormat

_HOLDER = """
import sys, time
from pathlib import Path
from facesr_cli.batch.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
lock.take()
print("held", flush=True)
sys.stdin.readline()
lock.release()
"""


def _hold(root):
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_refused_with_the_name_of_the_first(run, album, tree, tmp_path):
    out = tmp_path / "out"
    holder = _hold(out)
    with pytest.raises(CapabilityError, match=rf"process {holder.pid} on .*choose another -o"):
        run(album, out=out)
    assert tree(out).keys() == {LOCK_NAME}
    assert run(album, out=tmp_path / "other").count("done") == 5, "another directory is free"
    holder.communicate("\n", timeout=30)
    assert run(album, out=out).count("done") == 5
    assert LOCK_NAME not in tree(out)
    assert run(album, out=out).count("skipped") == 5


def test_where_nothing_is_to_do_another_run_is_no_obstacle(run, album, tmp_path):
    out = tmp_path / "out"
    run(album, out=out)
    holder = _hold(out)
    assert run(album, out=out).count("skipped") == 5
    holder.communicate("\n", timeout=30)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_the_lock_of_a_dead_process_does_not_count(run, album, tree, tmp_path):
    out = tmp_path / "out"
    holder = _hold(out)
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=30)
    assert json.loads((out / LOCK_NAME).read_text())["pid"] == holder.pid
    assert run(album, out=out).count("done") == 5
    assert LOCK_NAME not in tree(out)


def test_what_another_run_did_between_plan_and_lock_is_seen(run, upscaler, album, tmp_path, monkeypatch):
    out = tmp_path / "out"
    real = DirectoryLock.take
    calls = []

    def take(self):
        if not calls:
            calls.append(self.root)
            assert run(album, out=out).count("done") == 5
            upscaler.batches.clear()
        real(self)

    monkeypatch.setattr(DirectoryLock, "take", take)
    report = run(album, out=out)
    assert report.count("skipped") == 5 and upscaler.batches == []


def test_directories_that_were_made_for_nothing_are_removed(tmp_path):
    lock = DirectoryLock(tmp_path / "a" / "b")
    lock.take()
    assert lock.path.exists()
    lock.release()
    assert list(tmp_path.iterdir()) == []
    lock.take()
    (tmp_path / "a" / "b" / "output.png").touch()
    lock.release()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["output.png"]


def test_the_lock_of_another_run_in_a_new_directory_of_that_name_stays(tmp_path):
    first, second = DirectoryLock(tmp_path / "out"), DirectoryLock(tmp_path / "out")
    first.take()
    (tmp_path / "out").rename(tmp_path / "moved")
    second.take()
    first.release()
    with pytest.raises(CapabilityError):
        DirectoryLock(tmp_path / "out").take()
    with pytest.raises(CapabilityError):
        DirectoryLock(tmp_path / "out").take()
    second.release()
    assert not (tmp_path / "out").exists()


def test_abandoning_removes_only_the_own_lock(tmp_path):
    first, second = DirectoryLock(tmp_path / "out"), DirectoryLock(tmp_path / "out")
    first.take()
    (tmp_path / "out").rename(tmp_path / "moved")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK_NAME).write_text("of another process")
    abandon()
    assert (tmp_path / "out" / LOCK_NAME).read_text() == "of another process"
    first.release()
    second.take()
    abandon()
    assert list((tmp_path / "out").iterdir()) == []
    second.release()


@pytest.mark.parametrize("name", [LOCK_NAME, JOURNAL_NAME])
def test_what_shares_its_bytes_with_another_name_is_not_written_to(run, album, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_bytes(b"precious\n")
    os.link(tmp_path / "precious", tmp_path / "out" / name)
    assert run(album, out=tmp_path / "out").count("done") == 5
    assert (tmp_path / "precious").read_bytes() == b"precious\n"
    assert run(album, out=tmp_path / "out").count("skipped") == 5


def test_one_directory_in_two_spellings_is_one(run, photograph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a, b = photograph(tmp_path / "d" / "a.png"), photograph(tmp_path / "d" / "b.png")
    (tmp_path / "link").symlink_to("d")
    inputs = (a.relative_to(tmp_path), b, photograph(tmp_path / "link" / "c.png"))
    report = run(*inputs)
    assert report.count("done") == 3
    assert {path.name for path in (tmp_path / "d").glob("*-x2.png")} == {"a-x2.png", "b-x2.png", "c-x2.png"}
    assert len((tmp_path / "d" / JOURNAL_NAME).read_text().splitlines()) == 3
    assert run(*reversed(inputs)).count("skipped") == 3


def test_a_directory_that_the_second_plan_needs_no_more(run, photograph, tmp_path, monkeypatch):
    a, b = photograph(tmp_path / "d" / "a" / "a.png"), photograph(tmp_path / "d" / "b" / "b.png")
    first, second = (
        Plan(
            jobs=jobs,
            settled={},
            absent=frozenset(),
            blocked=(),
            ignored=(),
            journals={job.out_root: Journal(job.out_root) for job in jobs},
            recipe=Recipe(model="m", settings="s"),
        )
        for jobs in (tuple(_job(path) for path in (a, b)), (_job(b),))
    )
    plans = iter((first, second))
    monkeypatch.setattr(Journal, "is_stale", lambda journal: journal in first.journals.values())
    with claim(lambda: next(plans)) as claimed:
        assert claimed.plan.todo == second.jobs
    assert not list(tmp_path.rglob(LOCK_NAME))


def _job(source):
    return Job(
        source=source,
        destination=source.with_name("out.png"),
        out_root=source.parent,
        file_format=FileFormat.PNG,
    )


@pytest.fixture
def few_open_files():
    """Lower the soft limit of open files to 140 for a test."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (140, hard))
    yield resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_many_output_directories_raise_the_limit_of_open_files(run, photograph, tmp_path, few_open_files):
    inputs = [photograph(tmp_path / f"{number}" / "a.png") for number in range(90)]
    assert run(*inputs).count("done") == 90


def test_more_output_directories_than_the_system_allows_are_refused(
    run, upscaler, photograph, tmp_path, few_open_files, monkeypatch
):
    def refuse(*_args):
        raise ValueError("not allowed to raise maximum limit")

    with monkeypatch.context() as patched:
        patched.setattr(few_open_files, "setrlimit", refuse)
        inputs = [photograph(tmp_path / f"{number}" / "a.png") for number in range(90)]
        with pytest.raises(CapabilityError, match=r"90 output directories need 308 open files.*140.*-o"):
            run(*inputs)
    assert upscaler.batches == [] and not list(tmp_path.rglob(LOCK_NAME))


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out" / LOCK_NAME).symlink_to(tmp_path / "precious")
    with pytest.raises(WriteFailedError):
        DirectoryLock(tmp_path / "out").take()
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_file_system_without_locks_is_named(run, album, tmp_path, monkeypatch):
    def unsupported(_descriptor):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(module, "lock_exclusively", unsupported)
    lock = DirectoryLock(tmp_path / "out")
    lock.take()
    assert not lock.supported
    lock.release()
    assert run(album).count("done") == 5


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOSPC, "disk-full"), (errno.EACCES, "write-no-permission")]
)
def test_a_directory_that_cannot_be_written_fails_its_photographs_without_inference(
    run, upscaler, album, tmp_path, monkeypatch, number, reason
):
    real = os.open

    def fail(path, flags, *rest, **more):
        if os.path.basename(path) == LOCK_NAME and "out" in os.fspath(path):
            raise OSError(number, os.strerror(number))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", fail)
    report = run(album, out=tmp_path / "out")
    assert {result.reason for result in report.files} == {reason}
    assert upscaler.batches == [] and not (tmp_path / "out").exists()
    assert report.exit_code == 1
