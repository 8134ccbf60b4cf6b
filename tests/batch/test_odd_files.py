"""A thousand odd and broken image files: a line for each failure, a valid picture for each success."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image

_KINDS = (
    ("jpg", "JPEG", ("RGB", "L", "CMYK"), {}),
    ("jpg", "JPEG", ("RGB",), {"progressive": True}),
    ("png", "PNG", ("RGB", "RGBA", "LA", "L", "P", "1", "I;16"), {}),
    ("webp", "WEBP", ("RGB", "RGBA"), {}),
    ("tiff", "TIFF", ("RGB", "L", "I;16"), {"compression": "tiff_adobe_deflate"}),
    ("bmp", "BMP", ("RGB", "L"), {}),
    ("gif", "GIF", ("P",), {}),
)


def _seeds(random):
    """Return (extension, bytes) of sound little files of every kind."""
    seeds = []
    for suffix, file_format, modes, options in _KINDS:
        for mode in modes:
            pixels = random.integers(0, 256, (9, 13, 4), dtype=np.uint8)
            if mode == "I;16":
                image = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)
            else:
                image = Image.fromarray(pixels).convert("RGBA" if "A" in mode else "RGB").convert(mode)
            buffer = io.BytesIO()
            image.save(buffer, file_format, **options)
            seeds.append((suffix, buffer.getvalue()))
    return seeds


def _damaged(data, random):
    """Change, cut, repeat or insert a few bytes."""
    damaged = bytearray(data)
    for _ in range(random.integers(1, 5)):
        at = int(random.integers(0, len(damaged) + 1))
        act = random.integers(0, 4)
        if act == 0 and at < len(damaged):
            damaged[at] = random.integers(0, 256)
        elif act == 1:
            del damaged[at : at + int(random.integers(1, 40))]
        elif act == 2:
            damaged[at:at] = damaged[at : at + 20]
        else:
            damaged[at:at] = random.bytes(int(random.integers(1, 8)))
    return bytes(damaged) or b"\0"


@pytest.mark.timeout(600)
def test_a_thousand_odd_files(run, upscaler, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # most of this test would be the disk's
    random = np.random.default_rng(20)
    seeds = _seeds(random)
    source = tmp_path / "in"
    source.mkdir()
    for number in range(1000):
        suffix, data = seeds[number % len(seeds)]
        if number >= 2 * len(seeds):
            data = _damaged(data, random)
        (source / f"{number:04}.{suffix}").write_bytes(data)
    upscaler.batch_size = 4

    # A header may have come to promise any size; what is promised but not there costs no memory.
    report = run(source, max_megapixels=1)

    assert report.exit_code == 1 and len(report.files) == 1000
    assert {result.status for result in report.files} == {"done", "failed"}
    reasons = {result.reason for result in report.files if result.status == "failed"}
    assert "internal-error" not in reasons and reasons > {"damaged", "truncated", "not-an-image"}
    lines = list(report.failures())
    assert len(lines) == report.count("failed") > 200
    for result in report.files:
        if result.status == "failed":
            assert result.source.name in result.message
            continue
        with Image.open(result.output) as image:
            image.load()
            assert image.size == (2 * result.input_size[0], 2 * result.input_size[1])
    assert report.count("done") > 200
