"""Threads that encode or decode do not stop the others."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_cli.photo import decode, encode
from facesr_cli.photo.formats import FileFormat
from facesr_cli.photo.photograph import Photo

TRIES = 10


def noise(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Shades with noise, as photographs have."""
    ramp = np.linspace(0, 200, width)[None, :, None]
    return (ramp + np.random.default_rng(seed).integers(0, 50, (height, width, channels))).astype(np.uint8)


def _share_stopped(work: Callable[[], object]) -> float:
    """The longest time for which this thread stood still while another did `work`, over that work's."""
    elapsed_s: list[float] = []
    done = threading.Event()

    def timed() -> None:
        begun_s = time.perf_counter()
        try:
            work()
            elapsed_s.append(time.perf_counter() - begun_s)
        finally:
            done.set()

    thread = threading.Thread(target=timed)
    longest_s, before_s = 0.0, time.perf_counter()
    thread.start()
    while not done.is_set():
        time.sleep(0.0005)
        now_s = time.perf_counter()
        longest_s, before_s = max(longest_s, now_s - before_s), now_s
    thread.join()
    return longest_s / elapsed_s[0]


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no memfd_create(2) on this system")
def test_jpeg_is_encoded_where_the_system_has_no_files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: object) -> int:
        raise OSError("not here")

    photo = Photo(pixels=noise(40, 30, 3), format="JPEG")
    expected = encode(photo, file_format=FileFormat.JPEG)
    monkeypatch.setattr(os, "memfd_create", refused)
    assert encode(photo, file_format=FileFormat.JPEG) == expected


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no memfd_create(2) on this system")
def test_jpeg_goes_to_a_file_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    # Into any other file Pillow encodes JPEG with the interpreter lock held: two threads are as slow as one.
    files: list[int] = []
    save = Image.Image.save

    def recorded(image: Image.Image, file: Any, *arguments: Any, **options: Any) -> None:
        files.append(file.fileno())
        save(image, file, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", recorded)
    data = encode(Photo(pixels=noise(40, 30, 3), format="JPEG"), file_format=FileFormat.JPEG)
    assert len(files) == 1
    with Image.open(io.BytesIO(data)) as found:
        assert (found.format, found.size) == ("JPEG", (30, 40))


@pytest.mark.parametrize("kind", [FileFormat.JPEG, FileFormat.PNG, FileFormat.WEBP])
def test_a_thread_that_encodes_does_not_stop_the_others(kind: FileFormat) -> None:
    photo = Photo(pixels=noise(1500, 1500, 3), format="JPEG")
    # Other programs stop a thread too, so the best of a few tries counts.
    assert min(_share_stopped(lambda: encode(photo, file_format=kind)) for _ in range(TRIES)) < 0.5


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_thread_that_decodes_does_not_stop_the_others(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"large.{suffix}"
    Image.fromarray(noise(1500, 1500, 3)).save(path)
    assert min(_share_stopped(lambda: decode(path)) for _ in range(TRIES)) < 0.5
