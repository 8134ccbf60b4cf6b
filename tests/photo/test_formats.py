"""File extensions: what is picked up, and what an output is called."""

from __future__ import annotations

import pytest

from facesr_cli.photo.formats import FileFormat, format_of_source, format_of_suffix, output_suffix


@pytest.mark.parametrize(
    ("source", "choice", "expected"),
    [
        (".JPG", "same", ".JPG"),
        (".jpeg", "same", ".jpeg"),
        (".bmp", "same", ".png"),
        (".gif", "same", ".png"),
        (".heic", "same", ".heic"),
        (".heic", "jpeg", ".jpg"),
        (".avif", "same", ".avif"),
        ("", "same", ".png"),
        (".dat", "same", ".png"),
        (".jpeg", "jpeg", ".jpeg"),
        (".png", "jpeg", ".jpg"),
        (".tif", "tiff", ".tif"),
        (".jpg", "tiff", ".tiff"),
        (".jpg", "webp", ".webp"),
    ],
)
def test_output_suffix(source: str, choice: str, expected: str) -> None:
    assert output_suffix(source, choice) == expected  # type: ignore[arg-type]


def test_kinds() -> None:
    assert format_of_suffix(".TIF") is FileFormat.TIFF
    assert format_of_suffix(".bmp") is None
    assert format_of_source("MPO") is FileFormat.JPEG
    assert format_of_source("TGA") is FileFormat.PNG
    assert format_of_source("HEIF") is FileFormat.HEIF
    lossless = {kind for kind in FileFormat if not kind.lossy}
    assert lossless == {FileFormat.PNG, FileFormat.TIFF}
