"""16 bits per channel: read, converted, enlarged and written without ever going through 8."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from facesr_cli.batch.stages import enlarged
from facesr_cli.errors import UnreadablePhotoError
from facesr_cli.photo import FileFormat, Photo, decode, encode, header_size
from facesr_cli.photo.profile import from_srgb, to_srgb


def _noise(channels: int, height: int = 13, width: int = 21) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 65536, (height, width, channels), dtype=np.uint16)


def _stored(photo: Photo) -> np.ndarray:
    """The samples of a photo as (H, W, C), as a file would hold them."""
    colours = photo.pixels[:, :, :1] if photo.grey else photo.pixels
    return colours if photo.alpha is None else np.dstack([colours, photo.alpha])


def _unfiltered(data: bytes) -> np.ndarray:
    """Read a PNG of 16 bits by the letter of its specification, slowly."""
    start, idat, chunks = 8, b"", {}
    while start < len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        chunks[name] = body = data[start + 8 : start + 8 + length]
        assert zlib.crc32(name + body) == struct.unpack_from(">I", data, start + 8 + length)[0]
        idat += body if name == b"IDAT" else b""
        start += 12 + length
    width, height, depth, kind = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[kind]
    assert depth == 16
    pitch, stride = 2 * channels, 2 * channels * width
    raw, above, rows = zlib.decompress(idat), bytes(stride), []
    for top in range(height):
        line = raw[top * (stride + 1) : (top + 1) * (stride + 1)]
        row = bytearray()
        for index, value in enumerate(line[1:]):
            a = row[index - pitch] if index >= pitch else 0
            b, c = above[index], above[index - pitch] if index >= pitch else 0
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row.append((value + (0, a, b, (a + b) // 2, nearest)[line[0]]) % 256)
        rows.append(row)
        above = bytes(row)
    return np.frombuffer(b"".join(rows), dtype=">u2").reshape(height, width, channels)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_is_read_in_full(tmp_path: Path, write_png16, channels: int, interlaced: bool) -> None:
    samples = _noise(channels)
    photo = decode(write_png16(tmp_path / "a.png", samples, interlaced=interlaced))
    assert np.array_equal(_stored(photo), samples)
    assert photo.pixels.dtype == np.uint16 and not photo.notes


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_png_is_written_as_the_specification_has_it(channels: int) -> None:
    smooth = np.cumsum(np.cumsum(_noise(channels, 40, 30) % 40, axis=0), axis=1).astype(np.uint16)
    smooth[20:] = _noise(channels, 20, 30)  # so that more than one filter is the best one
    pixels = np.repeat(smooth[:, :, :1], 3, axis=2) if channels == 2 else smooth[:, :, :3]
    alpha = None if channels == 3 else np.ascontiguousarray(smooth[:, :, -1])
    photo = Photo(pixels=pixels, alpha=alpha, grey=channels == 2, format="PNG")
    assert np.array_equal(_unfiltered(encode(photo, file_format=FileFormat.PNG)), smooth)


def test_png_larger_than_one_band(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facesr_cli.photo.png._BAND_BYTES", 500)
    monkeypatch.setattr("facesr_cli.photo.png._IDAT_BYTES", 300)
    samples = _noise(3, 60, 60)
    data = encode(Photo(pixels=samples, format="PNG"), file_format=FileFormat.PNG)
    assert data.count(b"IDAT") > 1
    assert np.array_equal(_unfiltered(data), samples)


def test_the_transparent_colour_of_a_png_is_compared_in_16_bits(tmp_path: Path, write_png16) -> None:
    samples = np.array([[[256, 512, 768], [257, 513, 769]]], dtype=np.uint16)
    key = (b"tRNS", struct.pack(">3H", 256, 512, 768))
    photo = decode(write_png16(tmp_path / "a.png", samples, extra=key))
    assert photo.alpha is not None and photo.alpha.tolist() == [[0, 65535]]


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"compression": "zlib", "predictor": 2},
        {"compression": "zlib", "rowsperstrip": 5},
        {"compression": "zlib", "tile": (16, 16)},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "compression": "zlib"},
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_is_read_in_full(tmp_path: Path, byte_order: str, layout: dict, channels: int) -> None:
    if channels == 1 and "planarconfig" in layout:
        pytest.skip("one channel has no planes")
    samples = _noise(channels)
    stored = np.moveaxis(samples, 2, 0) if "planarconfig" in layout else samples
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored[:, :, 0] if channels == 1 else stored,
        photometric="rgb" if channels > 2 else "minisblack",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        byteorder=byte_order,
        **({"planarconfig": "contig"} if channels == 2 and "planarconfig" not in layout else {}),
        **layout,
    )
    photo = decode(tmp_path / "a.tif")
    assert np.array_equal(_stored(photo), samples)
    assert photo.notes == ()


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_white_is_zero(tmp_path: Path, byte_order: str) -> None:
    samples = _noise(1)[:, :, 0]
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="miniswhite", byteorder=byte_order)
    assert np.array_equal(decode(tmp_path / "a.tif").pixels[:, :, 0], 65535 - samples)


def test_twelve_bits_reach_white(tmp_path: Path) -> None:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in ((256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (277, 1), (278, 1), (279, 3)):
        directory[tag] = value
    directory[273] = 0
    file = io.BytesIO()
    directory.save(file)
    file.write(bytes((0xFF, 0xF0, 0x80)))
    (tmp_path / "a.tif").write_bytes(file.getvalue())
    assert decode(tmp_path / "a.tif").pixels[0, :, 0].tolist() == [65535, 0x0800]


def test_premultiplied_alpha_is_undone(tmp_path: Path) -> None:
    samples = np.array([[[1000, 2000, 3000, 32768], [0, 0, 0, 0]]], dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extrasamples=["assocalpha"])
    photo = decode(tmp_path / "a.tif")
    assert np.abs(photo.pixels[0, 0].astype(int) - [2000, 4000, 6000]).max() <= 1
    assert photo.alpha is not None and photo.alpha.tolist() == [[32768, 0]]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("file_format", [FileFormat.PNG, FileFormat.TIFF])
def test_round_trip(tmp_path: Path, file_format: FileFormat, channels: int) -> None:
    samples = _noise(channels)
    pixels = np.repeat(samples[:, :, :1], 3, axis=2) if channels < 3 else samples[:, :, :3]
    alpha = np.ascontiguousarray(samples[:, :, -1]) if channels in (2, 4) else None
    photo = Photo(pixels=pixels, alpha=alpha, grey=channels < 3, format="PNG")
    path = tmp_path / f"a{file_format.suffix}"
    path.write_bytes(encode(photo, file_format=file_format))
    again = decode(path)
    assert np.array_equal(again.pixels, pixels)
    assert alpha is None or np.array_equal(again.alpha, alpha)
    if file_format is FileFormat.TIFF:
        assert tifffile.imread(path).dtype == np.uint16, "another reader agrees about the depth"


@pytest.mark.parametrize("name", ["display_p3", "prophoto", None])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_smooth_ramp_keeps_more_than_4000_levels(
    tmp_path: Path, request: pytest.FixtureRequest, suffix: str, name: str | None
) -> None:
    ramp = np.linspace(0, 65535, 3000).astype(np.uint16)
    pixels = np.ascontiguousarray(np.broadcast_to(ramp[np.newaxis, :, np.newaxis], (4, 3000, 3)))
    profile = None if name is None else request.getfixturevalue(name)
    path = tmp_path / f"a{suffix}"
    source = Photo(pixels=pixels, format="PNG")
    # A profile is only declared: these are the numbers of the file.
    path.write_bytes(encode(source, file_format=FileFormat.PNG if suffix == ".png" else FileFormat.TIFF))
    photo = decode(path)
    if profile is not None:
        converted, residual = to_srgb(photo.pixels, profile)
        photo = replace(photo, pixels=converted, residual=residual, icc_profile=profile)

    linear = np.repeat(photo.pixels.astype(np.float64), 2, axis=1)
    linear = (linear + np.roll(linear, -1, axis=1)) / 2  # a network that interpolates
    larger = enlarged(photo, np.rint(np.repeat(linear, 2, axis=0)).astype(np.uint16))
    file_format = FileFormat.PNG if suffix == ".png" else FileFormat.TIFF
    path.write_bytes(encode(replace(larger, icc_profile=profile), file_format=file_format))

    again = decode(path)
    written = again.pixels if profile is None else from_srgb(again.pixels, again.residual, profile)
    assert written.shape == (8, 6000, 3)
    assert len(np.unique(written[4, :, 1])) > 4000


def test_eight_bit_formats_say_what_they_lose() -> None:
    photo = Photo(pixels=np.full((8, 8, 3), 0x8080, dtype=np.uint16), format="TIFF")
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.WEBP, quality=100))) as image:
        assert abs(int(np.asarray(image).mean()) - 0x80) <= 1


def test_cmyk_of_16_bits_is_reduced_and_said(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", _noise(4), photometric="separated")
    photo = decode(tmp_path / "a.tif")
    assert photo.pixels.dtype == np.uint8
    assert "16-bit CMYK is reduced to 8 bits" in photo.notes


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "float16", "float32", "float64"])
def test_signed_and_floating_samples_fail_by_name(tmp_path: Path, dtype: str, channels: int) -> None:
    samples = np.zeros((4, 4, channels), dtype=dtype).squeeze()
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb" if channels == 3 else "minisblack")
    with pytest.raises(UnreadablePhotoError) as caught:
        decode(tmp_path / "a.tif")
    assert caught.value.reason == "unsupported-mode"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3])
def test_big_tiff_is_read_in_both_byte_orders(
    tmp_path: Path, request: pytest.FixtureRequest, dtype: type, byte_order: str, channels: int
) -> None:
    samples = _noise(channels).astype(dtype)
    profile = request.getfixturevalue("srgb_like" if channels == 3 else "grey_profile")
    tifffile.imwrite(
        tmp_path / "a.tif",
        samples.squeeze(),
        photometric="rgb" if channels == 3 else "minisblack",
        byteorder=byte_order,
        bigtiff=True,
        metadata=None,
        iccprofile=profile,
    )
    photo = decode(tmp_path / "a.tif")
    assert header_size(tmp_path / "a.tif") == (21, 13)
    assert photo.pixels.dtype == dtype
    assert np.array_equal(_stored(photo), samples)
    assert photo.icc_profile == profile


def test_further_pages_are_said_where_tifffile_reads(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for _ in range(2):
            file.write(_noise(2), photometric="minisblack", planarconfig="contig", extrasamples=[2])
    assert decode(tmp_path / "a.tif").notes == ("first picture of 2, the others are not kept",)
