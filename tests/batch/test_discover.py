"""Discovery: order, globs, junk, and links in every arrangement."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facesr_cli.batch.discover import Blocked, Filter, Ignored, Source, discover


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def _found(*inputs: Path, outputs: frozenset[Path] = frozenset(), **globs):
    items = list(discover(inputs, Filter(**globs), outputs))
    sources = [item.relative.as_posix() for item in items if isinstance(item, Source)]
    ignored = {item.path.name: item.reason for item in items if isinstance(item, Ignored)}
    return sources, ignored


def test_order_and_junk(tmp_path):
    for name in ("b.png", "a.JPEG", "sub/c.tif", "sub/deep/d.webp", "e.heic"):
        _touch(tmp_path / name)
    for name in ("readme.md", ".DS_Store", "._a.jpg", "Thumbs.db", "__MACOSX/x.png", ".git/y.png"):
        _touch(tmp_path / name)
    sources, ignored = _found(tmp_path)
    assert sources == ["a.JPEG", "b.png", "e.heic", "sub/c.tif", "sub/deep/d.webp"]
    assert ignored == {
        "readme.md": "not-a-photograph",
        ".DS_Store": "hidden",
        "._a.jpg": "hidden",
        "Thumbs.db": "hidden",
        "__MACOSX": "hidden",
        ".git": "hidden",
    }


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ({"include": ("*.png",)}, ["a.png", "sub/c.png"]),
        ({"include": ("sub/*",)}, ["sub/b.jpg", "sub/c.png"]),
        ({"exclude": ("sub",)}, ["a.png"]),
        ({"exclude": ("sub/",)}, ["a.png"]),
        ({"include": ("*.png",), "exclude": ("a.*",)}, ["sub/c.png"]),
    ],
)
def test_globs(tmp_path, globs, expected):
    for name in ("a.png", "sub/b.jpg", "sub/c.png"):
        _touch(tmp_path / name)
    assert _found(tmp_path, **globs)[0] == expected


def test_a_named_file_is_taken_whatever_it_is_called(tmp_path):
    odd = _touch(tmp_path / ".odd.dat")
    assert _found(odd, exclude=("*",))[0] == [".odd.dat"]


def test_the_same_file_is_taken_once(tmp_path):
    photo = _touch(tmp_path / "a.png")
    sources, ignored = _found(tmp_path, photo, tmp_path / "." / "a.png")
    assert sources == ["a.png"]
    assert ignored == {"a.png": "given-twice"}


def test_links_that_loop_or_lead_back_end(tmp_path):
    _touch(tmp_path / "in" / "sub" / "a.png")
    (tmp_path / "in" / "sub" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self").symlink_to(tmp_path / "in" / "self")
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    sources, ignored = _found(tmp_path / "in")
    assert sources == ["sub/a.png"]
    assert ignored == {"up": "link-into-input", "self": "not-a-photograph", "out": "link-above-input"}


def test_a_linked_directory_elsewhere_is_followed_once(tmp_path):
    _touch(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "two").symlink_to(tmp_path / "elsewhere")
    sources, ignored = _found(tmp_path / "in")
    assert sources == ["one/a.png"]
    assert ignored == {"two": "link-followed-before", "back": "link-followed-before"}


def test_output_directories_are_not_walked(tmp_path):
    _touch(tmp_path / "a.png")
    _touch(tmp_path / "out" / "a.png")
    sources, ignored = _found(tmp_path, outputs=frozenset({tmp_path.resolve() / "out"}))
    assert sources == ["a.png"]
    assert ignored == {"out": "output-directory"}


def test_a_directory_that_cannot_be_listed_is_a_failure(tmp_path, monkeypatch):
    _touch(tmp_path / "a.png")
    (tmp_path / "locked").mkdir()
    real = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    (blocked,) = [item for item in discover((tmp_path,), Filter()) if isinstance(item, Blocked)]
    assert blocked.reason == "no-permission" and "locked" in blocked.message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="no permissions, or root has them all")
def test_directories_below_one_that_cannot_be_searched_are_failures(tmp_path):
    _touch(tmp_path / "in" / "locked" / "sub" / "a.png")
    _touch(tmp_path / "in" / "locked" / "notes.txt")
    (tmp_path / "in" / "locked").chmod(0o644)
    try:
        items = list(discover((tmp_path / "in",), Filter()))
    finally:
        (tmp_path / "in" / "locked").chmod(0o755)
    assert [item.reason for item in items if isinstance(item, Blocked)] == ["no-permission"]


def test_what_cannot_be_looked_at_is_a_failure(tmp_path, monkeypatch):
    """As a link into a directory without permission, or any name on a disk that tells no kinds."""

    class Entry:
        def __init__(self, name, error):
            self.name, self.error = name, error

        def is_dir(self):
            raise self.error

    class Listed(list):
        def __enter__(self):
            return iter(self)

        def __exit__(self, *_):
            return None

    denied, gone = PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such file")
    entries = Listed([Entry("sub", denied), Entry("a.png", denied), Entry("b", OSError(36, "Too long"))])
    entries.append(Entry("vanished", gone))
    monkeypatch.setattr(os, "scandir", lambda _path: entries)
    items = list(discover((tmp_path,), Filter()))
    assert [(type(item).__name__, item.path.name) for item in items] == [
        ("Source", "a.png"),
        ("Blocked", "b"),
        ("Blocked", "sub"),
        ("Ignored", "vanished"),
    ]
    assert [item.reason for item in items if isinstance(item, Blocked)] == ["unreadable", "no-permission"]


@pytest.mark.skipif(not hasattr(os, "pathconf"), reason="a length of paths that cannot be told")
def test_directories_beyond_the_longest_path_are_failures(tmp_path):
    _touch(tmp_path / "in" / "a.png")
    top = os.open(tmp_path / "in", os.O_RDONLY)
    for _ in range(os.pathconf(tmp_path, "PC_PATH_MAX") // 200 + 1):
        os.mkdir("d" * 200, dir_fd=top)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=top)
        os.close(top)
        top = below
    os.close(top)
    items = list(discover((tmp_path / "in",), Filter()))
    assert [item.reason for item in items if isinstance(item, Blocked)] == ["unreadable"]


def test_a_link_and_two_dots_lead_to_another_photograph(tmp_path, monkeypatch):
    near, far = _touch(tmp_path / "near" / "a.png"), _touch(tmp_path / "far" / "a.png")
    (tmp_path / "far" / "d").mkdir()
    (tmp_path / "near" / "link").symlink_to(tmp_path / "far" / "d")
    monkeypatch.chdir(tmp_path / "near")
    assert _found(Path("link/../a.png"), Path("a.png"))[0] == ["a.png", "a.png"]
    assert _found(Path("link/../a.png"), far, near)[0] == ["a.png", "a.png"]


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
def test_names_in_any_bytes(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    try:
        _touch(tmp_path / name)
    except OSError:
        pytest.skip("this file system wants UTF-8")
    assert _found(tmp_path)[0] == [name]
