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
from facesr_cli.batch.lock import LOCK_NAME, DirectoryLock
from facesr_cli.errors import CapabilityError, WriteFailedError

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

    monkeypatch.setattr(module, "_lock", unsupported)
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
