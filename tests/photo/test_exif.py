"""EXIF entry by entry: types and bytes stay, one damaged entry costs itself, hostile blocks cost little."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from facesr_cli.photo import FileFormat, Photo, decode, encode
from facesr_cli.photo.exif import CAMERA, GPS, INTEROPERABILITY, Directory, Entry, Exif, ExifError, read_exif
from facesr_cli.photo.metadata import exif_for_output

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 129: 1}
_SOFTWARE = "facesr-cli 9.9, model face-x2 1"

# Bytes of values of every type, in either byte order: nothing may interpret them.
_MAIN = {
    270: (2, "Grüße aus 東京\0".encode()),
    271: (2, b"A camera\0"),
    315: (2, "Jörg Müller\0".encode()),
    18246: (3, b"\0\4"),
    33432: (2, "© Jörg\0".encode("latin-1")),
    0x9C9B: (1, "Titel ä\0".encode("utf-16-le")),
    0xC000: (8, b"\xff\xfb\xff\xfa"),
    0xC002: (11, b"\x3f\xc0\0\0"),
    0xC004: (6, b"\xfd\xfc"),
    0xC005: (10, b"\xff\xff\xff\xff\0\0\0\3"),
    0xC009: (7, b"\0\1\2\3\4\5"),
    0xC00B: (129, "文字\0".encode()),
}
_CAMERA = {
    36864: (7, b"0232"),
    37380: (10, b"\xff\xff\xff\xff\0\0\0\0"),
    37500: (7, b"MakerNote\0\1\2\3" * 5),
    37510: (7, b"UNICODE\0\xe4\0\xf6\0"),
    42036: (2, "Objektiv äöü\0".encode()),
}
_GPS = {1: (2, b"N\0"), 6: (10, b"\xff\xff\xff\xfb\0\0\0\1"), 7: (2, b"12:00:00\0")}  # two in odd types
_INTEROPERABILITY = {1: (2, b"R03\0"), 2: (7, b"0100")}

_Entries = dict[int, tuple[int, bytes]]


def _directory(order: str, start: int, entries: _Entries, below: dict[int, tuple[_Entries, dict]]) -> bytes:
    """Lay out a directory as TIFF 6.0 says, apart from the code under test."""
    tags = sorted((*entries, *below))
    table, values = struct.pack(f"{order}H", len(tags)), b""
    first = start + 6 + 12 * len(tags)
    for tag in tags:
        if tag in below:
            table += struct.pack(f"{order}HHII", tag, 4, 1, first + len(values))
            values += _directory(order, first + len(values), *below[tag])
            continue
        kind, data = entries[tag]
        table += struct.pack(f"{order}HHI", tag, kind, len(data) // _SIZES[kind])
        if len(data) <= 4:
            table += data.ljust(4, b"\0")
        else:
            table += struct.pack(f"{order}I", first + len(values))
            values += data + b"\0" * (len(data) % 2)
    return table + b"\0\0\0\0" + values


def _block(order: str, extra: _Entries | None = None, start: int = 8) -> bytes:
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    below = {0x8769: (_CAMERA, {0xA005: (_INTEROPERABILITY, {})}), 0x8825: (_GPS, {})}
    return head.ljust(start, b"\0") + _directory(order, start, _MAIN | (extra or {}), below)


def _same_as_stored(exif: Exif) -> None:
    main = exif.main
    assert {tag: tuple(main.entries[tag]) for tag in _MAIN} == _MAIN
    assert {tag: tuple(main.directories[CAMERA].entries[tag]) for tag in _CAMERA} == _CAMERA
    assert {tag: tuple(main.directories[GPS].entries[tag]) for tag in _GPS} == _GPS
    within = main.directories[CAMERA].directories[INTEROPERABILITY].entries
    assert {tag: tuple(within[tag]) for tag in _INTEROPERABILITY} == _INTEROPERABILITY


def _jpeg(path: Path, block: bytes, **options: object) -> Path:
    Image.new("RGB", (12, 8), (90, 120, 150)).save(path, "JPEG", exif=b"Exif\0\0" + block, **options)
    return path


def _quietly(path: Path) -> Photo:
    """Pillow reads EXIF on its way too, and warns of what it finds damaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return decode(path)


def _exif_in(data: bytes) -> Exif:
    if data[:2] in (b"II", b"MM"):
        return read_exif(data)
    with Image.open(io.BytesIO(data)) as image:
        return read_exif(image.info["exif"])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("file_format", list(FileFormat))
def test_types_and_bytes_of_exif_stay(tmp_path: Path, file_format: FileFormat, order: str) -> None:
    if file_format is FileFormat.HEIF:
        pytest.importorskip("pillow_heif")
    if file_format is FileFormat.AVIF and not features.check("avif"):
        pytest.skip("Pillow has no AVIF")
    photo = decode(_jpeg(tmp_path / "a.jpg", _block(order, {305: (2, "Gerät é 1\0".encode())})))
    assert photo.notes == ()
    data = encode(photo, file_format=file_format, software=_SOFTWARE)
    found = _exif_in(data)
    _same_as_stored(found)
    assert found.main.entries[305] == Entry(2, f"{_SOFTWARE}; source: Gerät é 1\0".encode())
    (tmp_path / "again").write_bytes(data)
    again = decode(tmp_path / "again")
    assert again.exif is not None
    _same_as_stored(read_exif(again.exif))
    assert np.array_equal(again.pixels, photo.pixels) or not again.lossless


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deep", [False, True])
def test_pixels_of_a_tiff_are_in_the_byte_order_of_its_exif(tmp_path: Path, order: str, deep: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 9, 3)).astype(np.uint16 if deep else np.uint8)
    pixels = pixels * 257 if deep else pixels
    photo = Photo(pixels=pixels, format="PNG", exif=b"Exif\0\0" + _block(order), dpi=(300, 150.5))
    data = encode(photo, file_format=FileFormat.TIFF)
    assert data[:2] == (b"II" if order == "<" else b"MM")
    (tmp_path / "a.tif").write_bytes(data)
    again = decode(tmp_path / "a.tif")
    assert np.array_equal(again.pixels, pixels) and again.dpi == (300, 150.5)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.tags["StripOffsets"].value[0] % 2 == 0


def test_text_of_a_tiff_keeps_its_bytes(tmp_path: Path) -> None:
    text = "Jörg Müller ©\0".encode()
    extra = [(315, 2, len(text), text, True)]
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extratags=extra)
    photo = decode(tmp_path / "a.tif")
    for file_format in (FileFormat.TIFF, FileFormat.JPEG):
        assert _exif_in(encode(photo, file_format=file_format)).main.entries[315] == Entry(2, text)


@pytest.mark.parametrize(
    ("tag", "kind", "data"),
    [
        (282, 2, b"300\0"),
        (282, 10, b"\xff\xff\xff\xff\0\0\0\1"),
        (37510, 3, b"\0\1\0\2\0\3"),
        (305, 3, b"\0\1"),
    ],
)
def test_entries_of_odd_types_cost_nothing(tmp_path: Path, tag: int, kind: int, data: bytes) -> None:
    photo = decode(_jpeg(tmp_path / "a.jpg", _block(">", {tag: (kind, data)})))
    assert photo.notes == () and photo.exif is not None
    assert read_exif(photo.exif).main.entries[tag] == Entry(kind, data)
    for file_format in (FileFormat.TIFF, FileFormat.PNG):
        (tmp_path / "b").write_bytes(encode(photo, file_format=file_format))
        assert decode(tmp_path / "b").notes == ()


def test_a_damaged_entry_is_left_out_alone(tmp_path: Path) -> None:
    block = bytearray(_block("<", {272: (2, b"a model that lies elsewhere\0")}))
    place = block.index(struct.pack("<HH", 272, 2))
    struct.pack_into("<I", block, place + 8, 0x7FFFFFFF)
    photo = _quietly(_jpeg(tmp_path / "a.jpg", bytes(block)))
    assert photo.notes == ("damaged entries of EXIF are not kept",)
    assert photo.exif is not None
    exif = read_exif(photo.exif)
    _same_as_stored(exif)
    assert 272 not in exif.main.entries


def test_directories_that_lead_to_each_other_end() -> None:
    head = b"II" + struct.pack("<HI", 42, 8)
    entries = ((0x8769, 4, 1, 8), (0x8825, 4, 1, 8))
    loop = (
        head + struct.pack("<H", 2) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + b"\0" * 4
    )
    found = read_exif(loop)
    assert found.main.is_empty() and found.damaged == 2


def test_a_block_made_to_cost_memory_is_read_in_part() -> None:
    """Each of 65,535 entries claims the same half a megabyte."""
    count = 65_535
    entries = b"".join(struct.pack("<HHII", tag, 7, 1 << 19, 8) for tag in range(count))
    found = read_exif(b"II" + struct.pack("<HIH", 42, 8, count) + entries)
    assert found.damaged
    assert sum(len(entry.data) for entry in found.main.entries.values()) <= 1 << 24


_values = st.builds(
    Entry, st.sampled_from(sorted(_SIZES)), st.binary(max_size=5).map(lambda data: data * 8)
).filter(lambda entry: bool(entry.data))
_tables = st.dictionaries(
    st.integers(0, 0xFFFF).filter(lambda tag: tag not in (CAMERA, GPS, 0xA005)), _values
)


@settings(max_examples=60, deadline=None)
@given(_tables, _tables, st.sampled_from(["<", ">"]))
def test_whatever_is_written_is_read_again(main: dict, camera: dict, order: str) -> None:
    below = {CAMERA: Directory(camera, {INTEROPERABILITY: Directory(main)})}
    exif = Exif(order=order, main=Directory(main, below))
    found = read_exif(exif.tobytes())
    assert (found.order, found.main, found.damaged) == (order, exif.main, 0)
    assert read_exif(found.tobytes()) == found


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_are_exif_or_a_typed_failure(data: st.DataObject) -> None:
    block = bytearray(_block(data.draw(st.sampled_from(["<", ">"]))))
    if data.draw(st.booleans()):
        block[2:4] = data.draw(st.sampled_from([b"+\0", b"\0+"]))
    for _ in range(data.draw(st.integers(0, 8))):
        place = data.draw(st.integers(0, len(block) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=8))
        block[place : place + len(piece)] = piece
    block = block[: data.draw(st.integers(0, len(block)))]
    for content in (bytes(block), data.draw(st.binary(max_size=64))):
        try:
            found = read_exif(content)
        except ExifError:
            continue
        again = read_exif(found.tobytes())
        assert again.main == found.main
        exif_for_output(found.tobytes(), size=(3, 4), software="a")


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tags_of_bigtiff(tmp_path: Path, byteorder: str, dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(dtype)
    xmp, wide = b"<x:xmpmeta/>", (5, 7)
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="rgb",
        bigtiff=True,
        byteorder=byteorder,
        description="A description",
        metadata=None,
        resolution=(300, 150),
        extratags=[(700, 1, len(xmp), xmp, True), (0xC000, 16, 2, wide, True)],
    )
    photo = _quietly(tmp_path / "a.tif")
    assert (photo.notes, photo.xmp, photo.dpi) == ((), xmp, (300, 150))
    for file_format in (FileFormat.TIFF, FileFormat.PNG):
        main = _exif_in(encode(photo, file_format=file_format)).main
        assert main.entries[270] == Entry(2, b"A description\0")
        assert main.entries[0xC000] == Entry(4, struct.pack(f"{byteorder}2I", *wide))


def test_resolution_in_exif_turns_with_the_picture(tmp_path: Path) -> None:
    resolution = {282: (5, struct.pack(">II", 300, 1)), 283: (5, struct.pack(">II", 150, 1))}
    block = _block(">", {274: (3, b"\0\6"), **resolution})
    photo = decode(_jpeg(tmp_path / "a.jpg", block, dpi=(300, 150)))
    assert photo.exif is not None and photo.dpi == (150, 300)
    exif = read_exif(photo.exif)
    assert (exif.rational(282), exif.rational(283)) == (150, 300)


def test_sizes_in_exif_are_those_of_the_output() -> None:
    sizes = {40962: (3, b"\0\x0c"), 40963: (3, b"\0\x08")}
    head = b"MM" + struct.pack(">HI", 42, 8)
    block = head + _directory(">", 8, {}, {0x8769: (sizes, {})})
    photo = Photo(pixels=np.zeros((16, 24, 3), np.uint8), format="JPEG", exif=b"Exif\0\0" + block)
    camera = _exif_in(encode(replace(photo), file_format=FileFormat.JPEG)).main.directories[CAMERA]
    assert camera.entries == {40962: Entry(4, b"\0\0\0\x18"), 40963: Entry(4, b"\0\0\0\x10")}
