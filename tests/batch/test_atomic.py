"""Atomic writes: all of the bytes under the name, or nothing, and never a temporary file."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys

import pytest
from PIL import Image

from facesr_cli.batch import atomic
from facesr_cli.batch.atomic import abandon, make_directories, sweep_parts, write_atomically
from facesr_cli.errors import WriteFailedError


@pytest.mark.parametrize("durable", [False, True])
def test_old_content_is_replaced(tmp_path, durable):
    path = tmp_path / "c.png"
    write_atomically(path, b"one", durable=durable)
    write_atomically(path, b"two", durable=durable)
    assert path.read_bytes() == b"two"
    assert [item.name for item in tmp_path.iterdir()] == ["c.png"]


def test_directories_are_made_below_one_that_exists_and_never_above(tmp_path):
    make_directories(tmp_path / "a" / "b", below=tmp_path)
    make_directories(tmp_path / "a" / "b", below=tmp_path)
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(WriteFailedError) as caught:
        make_directories(tmp_path / "gone" / "b", below=tmp_path / "gone")
    assert caught.value.reason == "write-failed" and not (tmp_path / "gone").exists()
    with pytest.raises(WriteFailedError):
        write_atomically(tmp_path / "gone" / "a.png", b"data")
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("links", [True, False])
def test_without_replace_only_a_new_name_is_taken(tmp_path, monkeypatch, links):
    def refuse(*_args, **_more):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    write_atomically(tmp_path / "a.png", b"ours", replace=False)
    with pytest.raises(WriteFailedError, match=r"a\.png has appeared") as caught:
        write_atomically(tmp_path / "a.png", b"again", replace=False)
    assert caught.value.reason == "exists-unknown"
    assert (tmp_path / "a.png").read_bytes() == b"ours"
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere open files cannot be removed")
def test_two_writers_of_one_name_never_publish_each_others_halves(tmp_path, monkeypatch):
    path, real, seen = tmp_path / "a.png", os.fsync, []

    def meanwhile(descriptor):
        if not seen:
            seen.append(descriptor)
            sweep_parts([tmp_path])  # as a second run would
            with atomic._new_part(tmp_path) as (_part, file):
                file.write(b"half of a")
                file.flush()
                seen.append(sorted(tmp_path.iterdir()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", meanwhile)
    write_atomically(path, b"whole", durable=True)
    assert len(seen[1]) == 2, "each has its own temporary file"
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere open files cannot be removed")
def test_a_file_that_a_sweeper_has_caught_before_its_lock_is_made_again(tmp_path, monkeypatch):
    real, caught = atomic.lock_exclusively, []

    def lock(descriptor):
        if not caught:
            (part,) = tmp_path.iterdir()
            caught.append(part)
            other = os.open(part, os.O_RDWR)
            real(other)
            try:
                real(descriptor)
            finally:
                part.unlink()
                os.close(other)
        real(descriptor)

    monkeypatch.setattr(atomic, "lock_exclusively", lock)
    write_atomically(tmp_path / "a.png", b"whole")
    assert caught and [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere open files cannot be removed")
def test_where_locks_are_unknown_a_swept_file_fails_by_name(tmp_path, monkeypatch):
    def unsupported(_descriptor):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    def swept(_descriptor):
        sweep_parts([tmp_path])

    monkeypatch.setattr(atomic, "lock_exclusively", unsupported)
    monkeypatch.setattr(os, "fsync", swept)
    with pytest.raises(WriteFailedError, match="taken away"):
        write_atomically(tmp_path / "a.png", b"data", durable=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "disk-full"), (errno.EACCES, "write-no-permission"), (errno.EIO, "write-failed")],
)
def test_failures_are_typed_and_leave_the_old_file(tmp_path, monkeypatch, number, reason):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*_args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WriteFailedError, match="a.png") as caught:
        write_atomically(path, b"new")
    assert caught.value.reason == reason
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name != "posix", reason="directories are synchronised on POSIX")
@pytest.mark.parametrize(("number", "fatal"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_synchronise_directories_is_no_failure(
    tmp_path, monkeypatch, number, fatal
):
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if fatal:
        with pytest.raises(WriteFailedError):
            write_atomically(tmp_path / "a.png", b"data", durable=True)
    else:
        write_atomically(tmp_path / "a.png", b"data", durable=True)
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


def test_a_directory_in_the_way(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(WriteFailedError):
        write_atomically(tmp_path / "a.png", b"new")
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


def test_the_longest_name_has_room_for_a_temporary_one(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    write_atomically(path, b"data")
    assert path.read_bytes() == b"data"


def test_what_a_killed_process_left_is_swept(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from facesr_cli.batch import atomic\n"
        "with atomic._new_part(Path(sys.argv[1])) as (part, file):\n"
        "    file.write(b'half'); file.flush(); os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert len(list(tmp_path.iterdir())) == 1
    sweep_parts([tmp_path, tmp_path / "not there"])
    assert list(tmp_path.iterdir()) == []


def test_abandon_removes_what_is_being_written(tmp_path, monkeypatch):
    def abandoned(_part, _path):
        abandon()
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", abandoned)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.png", b"data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_what_is_private_stays_private(run, album):
    (album / "a.png").chmod(0o600)
    (album / "z.tiff").chmod(0o440)
    (album / "sub" / "a.png").chmod(0o666)
    before = os.umask(0o022)
    try:
        run(album)
    finally:
        os.umask(before)
    modes = {
        name: (album.with_name("album-x2") / name).stat().st_mode & 0o777 for name in ("a.png", "z.tiff")
    }
    assert modes == {"a.png": 0o600, "z.tiff": 0o640}
    assert (album.with_name("album-x2") / "sub" / "a.png").stat().st_mode & 0o777 == 0o644


def test_a_failing_encoder_leaves_nothing(run, album, tree, monkeypatch):
    real = Image.Image.save

    def fail_in_the_middle(self, target, file_format=None, **options):
        if file_format == "jpeg":
            target.write(b"half a picture")
            raise OSError("encoder error -2")
        return real(self, target, file_format, **options)

    monkeypatch.setattr(Image.Image, "save", fail_in_the_middle)
    report = run(album)
    assert [result.reason for result in report.files if result.status == "failed"] == ["encode-failed"]
    assert set(tree(album.with_name("album-x2"))) == {"a.png", "sub/a.png", "sub/deep er/ü.webp", "z.tiff"}


def test_a_full_disk_fails_each_photograph_by_name_and_leaves_nothing(run, album, tree, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(os, "replace", full)
    report = run(album)
    assert {result.reason for result in report.files} == {"disk-full"}
    assert report.exit_code == 1
    assert tree(album.with_name("album-x2")) == {}
