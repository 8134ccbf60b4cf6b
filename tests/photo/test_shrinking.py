"""A file that becomes shorter while it is read: a photograph that fails, never a dead process."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from facesr_cli.errors import UnreadablePhotoError
from facesr_cli.photo import decode, header_size


def _maps(name):
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        return [line for line in file if name in line]


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="mappings as Linux lists them")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("raw.bmp", {}),
        ("raw.tiff", {}),
        ("packed.tiff", {"compression": "tiff_lzw"}),
    ],
)
def test_no_photograph_is_mapped_while_it_is_decoded(tmp_path, monkeypatch, name, options):
    Image.effect_noise((300, 200), 50).convert("L").save(tmp_path / name, **options)
    seen = []
    real = Image._getdecoder

    def watched(mode, decoder_name, *rest):
        decoder = real(mode, decoder_name, *rest)

        class Watched:
            def __getattr__(self, attribute):
                return getattr(decoder, attribute)

            def decode(self, data):
                seen.append((decoder_name, bytes(data[:4])))
                return decoder.decode(data)

        return Watched()

    monkeypatch.setattr(Image, "_getdecoder", watched)
    assert header_size(tmp_path / name) == (300, 200)
    photo = decode(tmp_path / name)
    assert photo.pixels.shape == (200, 300, 3)
    assert _maps(name) == []
    # Given a descriptor instead of bytes, which Pillow says by this word, libtiff maps the file.
    assert seen and all(start != b"fpfp" for _name, start in seen)


@pytest.mark.parametrize("name", ["a.bmp", "a.tiff"])
def test_a_file_that_shrinks_after_its_header_fails_by_name(tmp_path, monkeypatch, name):
    path = tmp_path / name
    Image.effect_noise((1000, 800), 50).convert("L").save(path)
    real = Image.open

    def shrinking(file, *rest, **options):
        image = real(file, *rest, **options)
        os.truncate(path, 5000)
        return image

    monkeypatch.setattr(Image, "open", shrinking)
    with pytest.raises(UnreadablePhotoError) as caught:
        decode(path)
    assert caught.value.reason == "truncated" and name in str(caught.value)
