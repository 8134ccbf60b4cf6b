"""Decoding: orientation, modes, alpha, bit depth and notes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from facesr_cli.photo import FileFormat, decode, encode, header_size

_ORIENTATION = 274
# How a camera held in each way stores an upright scene: the inverse of what a viewer has to do.
_STORED_BY = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp", ".jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(
    tmp_path: Path, asymmetric: Image.Image, orientation: int, suffix: str
) -> None:
    large = asymmetric.resize((96, 64), Image.Resampling.NEAREST)
    method = _STORED_BY[orientation]
    stored = large if method is None else large.transpose(method)
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    exif[271] = "A camera"
    xmp = f'<x tiff:Orientation="{orientation}"/>'.encode()
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 100}}.get(suffix, {})
    stored.save(
        tmp_path / f"a{suffix}", exif=exif, **({} if suffix in (".png", ".tiff") else {"xmp": xmp}), **options
    )

    photo = decode(tmp_path / f"a{suffix}")

    assert photo.size == (96, 64)
    assert np.abs(photo.pixels.astype(int) - np.asarray(large)).mean() < 3
    written = tmp_path / "b.jpg"
    written.write_bytes(encode(photo, file_format=FileFormat.JPEG))
    with Image.open(written) as image:
        assert image.getexif()[271] == "A camera"
        # Pillow drops the tag of a TIFF while it turns the pixels; no tag means upright too
        assert image.getexif().get(_ORIENTATION, 1) == 1
        assert b'Orientation="1"' in image.info.get("xmp", b'Orientation="1"')


def test_nonsense_orientation_is_taken_as_upright(tmp_path: Path, asymmetric: Image.Image) -> None:
    exif = Image.Exif()
    exif[_ORIENTATION] = 77
    asymmetric.save(tmp_path / "a.png", exif=exif)
    photo = decode(tmp_path / "a.png")
    assert np.array_equal(photo.pixels, np.asarray(asymmetric))


@settings(max_examples=25, deadline=None)
@given(
    values=arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))),
    file_format=st.sampled_from([FileFormat.PNG, FileFormat.TIFF]),
)
def test_lossless_round_trip_of_every_mode_and_size(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, file_format: FileFormat
) -> None:
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[values.shape[2]]
    source = Image.fromarray(values[:, :, 0] if mode == "L" else values, mode=None)
    assert source.mode == mode
    path = tmp_path_factory.mktemp("round") / f"a{file_format.suffix}"
    source.save(path)

    photo = decode(path)
    assert photo.grey == (mode in ("L", "LA"))
    assert (photo.alpha is not None) == (mode in ("LA", "RGBA"))
    path.write_bytes(encode(photo, file_format=file_format))

    with Image.open(path) as again:
        assert again.mode == mode
        assert np.array_equal(np.asarray(again), np.asarray(source))


def test_grey_channels_are_equal(tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "a.jpg")
    photo = decode(tmp_path / "a.jpg")
    assert photo.grey
    assert np.ptp(photo.pixels, axis=2).max() == 0


@pytest.mark.parametrize(("suffix", "byte_order"), [(".png", "<"), (".tiff", "<"), (".tiff", ">")])
def test_sixteen_bit_grey_keeps_every_level(tmp_path: Path, suffix: str, byte_order: str) -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16
    image = Image.fromarray(ramp.astype(f"{byte_order}u2"))
    image.save(tmp_path / f"a{suffix}")

    photo = decode(tmp_path / f"a{suffix}")
    assert photo.pixels.dtype == np.uint16
    assert photo.grey and not photo.notes
    (tmp_path / "b.png").write_bytes(encode(photo, file_format=FileFormat.PNG))
    with Image.open(tmp_path / "b.png") as again:
        assert np.array_equal(np.asarray(again), ramp)


def test_dark_sixteen_bit_grey_is_not_taken_for_eight_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 200, dtype=np.uint16)).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png").pixels.dtype == np.uint16


def test_one_bit_becomes_grey_and_palette_becomes_colour(tmp_path: Path, colours: np.ndarray) -> None:
    Image.fromarray(colours).convert("1").save(tmp_path / "one.png")
    Image.fromarray(colours).quantize(16).save(tmp_path / "palette.png")
    one, palette = decode(tmp_path / "one.png"), decode(tmp_path / "palette.png")
    assert one.grey and set(np.unique(one.pixels)) <= {0, 255}
    assert not palette.grey and palette.alpha is None


def test_transparency_of_palettes_and_of_single_values_becomes_alpha(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png", transparency=1)
    Image.fromarray(np.array([[7, 8]], np.uint8)).save(tmp_path / "l.png", transparency=8)
    Image.fromarray(np.array([[700, 800]], np.uint16)).save(tmp_path / "l16.png", transparency=800)

    for name, opaque in (("p", 255), ("l", 255), ("l16", 65535)):
        photo = decode(tmp_path / f"{name}.png")
        assert photo.alpha is not None
        assert photo.alpha.tolist() == [[opaque, 0]], name


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_transparent_level_of_a_png_counts_in_its_own_depth(tmp_path: Path, depth: int) -> None:
    levels = [0, 1, 2**depth - 1, 0, 1, 0, 0, 1]
    row = int("".join(f"{level:0{depth}b}" for level in levels), 2).to_bytes(depth, "big")
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in (
        (b"IHDR", struct.pack(">IIBBBBB", 8, 1, depth, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", 1)),
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    ):
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    (tmp_path / "a.png").write_bytes(data)
    photo = decode(tmp_path / "a.png")
    assert photo.pixels[0, :, 0].tolist() == [level * 255 // (2**depth - 1) for level in levels]
    assert photo.alpha is not None
    assert photo.alpha[0].tolist() == [0 if level == 1 else 255 for level in levels]


def test_a_profile_beyond_a_mebibyte_is_read_again(tmp_path: Path, display_p3: bytes) -> None:
    profile = display_p3 + bytes(1_500_000)
    profile = len(profile).to_bytes(4, "big") + profile[4:]
    Image.new("RGB", (4, 4), (200, 100, 100)).save(tmp_path / "a.jpg", icc_profile=profile)
    photo = decode(tmp_path / "a.jpg")
    for number in range(2):
        path = tmp_path / f"{number}.png"
        path.write_bytes(encode(photo, file_format=FileFormat.PNG))
        photo = decode(path)
        assert photo.icc_profile == profile and photo.notes == ()


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tiff", "a.avif"])
def test_first_picture_of_several_with_a_note(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "green")]
    options = {} if name == "a.tiff" else {"duration": 100}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    photo = decode(tmp_path / name)
    assert np.abs(photo.pixels[8, 8].astype(int) - [255, 0, 0]).max() <= 3
    assert photo.notes == ("first picture of 3, the others are not kept",)


def test_header_size_does_not_decode(tmp_path: Path, asymmetric: Image.Image) -> None:
    asymmetric.resize((200, 100)).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    assert header_size(tmp_path / "a.jpg") == (200, 100)


def test_jpeg_is_never_decoded_to_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libjpeg can leave detail out while it decodes, which is quick and not what anyone wants enlarged."""

    def draft(*_: object) -> None:
        raise AssertionError("a draft was asked for")

    path = tmp_path / "photo.jpg"
    Image.effect_noise((64, 48), 40).convert("RGB").save(path, quality=95)
    monkeypatch.setattr(JpegImageFile, "draft", draft)
    assert decode(path).pixels.shape == (48, 64, 3)
