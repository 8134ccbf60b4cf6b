"""Files that cannot be read: a typed reason and a message that names the file, never a traceback."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_cli.errors import UnreadablePhotoError
from facesr_cli.photo import decode, header_size


def _noise(width: int = 64, height: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def _reason(path: Path) -> str:
    with pytest.raises(UnreadablePhotoError) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tiff", ".bmp", ".gif"])
def test_truncated(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    _noise().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert _reason(path) in ("truncated", "damaged")
    if suffix in (".jpg", ".png"):
        assert _reason(path) == "truncated"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.jpg", b"", "empty-file"),
        ("text.jpg", b"this is not a photograph, whatever it is called\n", "not-an-image"),
        ("start.jpg", b"\xff\xd8\xff\xe0\0\x10JF", "truncated"),
        ("header.png", b"\x89PNG\r\n\x1a\n", "damaged"),
    ],
)
def test_content_that_is_no_photograph(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert _reason(tmp_path / name) == reason


def test_postscript_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_args, **_options: pytest.fail("run"))
    path = tmp_path / "portrait.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n{} loop\n%%EOF\n")
    assert _reason(path) == "not-an-image"
    with pytest.raises(UnreadablePhotoError, match="PostScript"):
        header_size(path)


def test_directory_missing_file_and_links(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").mkdir()
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "missing")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert _reason(tmp_path / "x.jpg") == "is-a-directory"
    assert _reason(tmp_path / "absent.jpg") == "not-found"
    assert _reason(tmp_path / "nowhere.jpg") == "not-found"
    assert _reason(tmp_path / "loop.jpg") == "not-found"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang_the_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert _reason(tmp_path / "pipe.jpg") == "not-a-file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    _noise().save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert _reason(tmp_path / "a.png") == "no-permission"


def test_no_permission_as_the_system_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _noise().save(tmp_path / "a.png")

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    assert _reason(tmp_path / "a.png") == "no-permission"


def test_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _noise().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert _reason(tmp_path / "a.png") == "too-large"
    with pytest.raises(UnreadablePhotoError):
        header_size(tmp_path / "a.png")


def test_thirty_two_bit_samples_are_not_guessed_at(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), dtype=np.float32)).save(tmp_path / "a.tiff")
    assert _reason(tmp_path / "a.tiff") == "unsupported-mode"
