"""Atomic writes: all of the bytes under the name, or nothing, and never a temporary file."""

from __future__ import annotations

import errno
import os
import stat

import pytest
from PIL import Image

from facesr_cli.batch.atomic import abandon, part_path, write_atomically
from facesr_cli.errors import WriteFailedError


@pytest.mark.parametrize("durable", [False, True])
def test_parents_are_made_and_old_content_is_replaced(tmp_path, durable):
    path = tmp_path / "a" / "b" / "c.png"
    write_atomically(path, b"one", durable=durable)
    write_atomically(path, b"two", durable=durable)
    assert path.read_bytes() == b"two"
    assert [item.name for item in path.parent.iterdir()] == ["c.png"]


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


def test_what_a_killed_run_left_is_taken_over(tmp_path):
    path = tmp_path / "a.png"
    part_path(path).write_bytes(b"half of a longer file")
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


def test_abandon_removes_what_is_being_written(tmp_path, monkeypatch):
    def abandoned(_part, _path):
        abandon()
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", abandoned)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.png", b"data")
    assert list(tmp_path.iterdir()) == []


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

    monkeypatch.setattr(os, "replace", full)
    report = run(album)
    assert {result.reason for result in report.files} == {"disk-full"}
    assert report.exit_code == 1
    assert tree(album.with_name("album-x2")) == {}
