"""EXIF, XMP, IPTC, comments and resolution: kept wherever there is room, and true of the new picture."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from facesr_cli.photo import FileFormat, Photo, decode, encode, fit_to_format

_IPTC = b"\x1c\x02\x78\x00\x07A title\x1c\x02\x50\x00\x04Name"
_XMP = (
    b'<x:xmpmeta tiff:Orientation="6" tiff:ImageWidth="24" exif:PixelYDimension="16">'
    b"<tiff:ImageLength>16</tiff:ImageLength><xmp:Thumbnails><i>AAAA</i></xmp:Thumbnails></x:xmpmeta>"
)
_WITH_IPTC = (FileFormat.JPEG, FileFormat.PNG, FileFormat.TIFF)
_SOFTWARE = "facesr-cli 9.9, model face-x2 1"


def _app13(records: bytes) -> bytes:
    content = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records
    content += b"\0" * (len(records) % 2)
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def _camera_jpeg(path: Path) -> Path:
    """24x16, to be turned by its XMP, with all that camera and editor put around, and a thumbnail."""
    exif = Image.Exif()
    exif[271], exif[305], exif[282], exif[283] = "A camera", "Firmware 1.2", 300.0, 300.0
    camera = exif.get_ifd(0x8769)
    camera[40962], camera[40963], camera[37386] = 24, 16, 50.0  # the size, and the focal length
    exif.get_ifd(0x8825)[1] = "N"
    thumbnail = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(thumbnail, "JPEG")
    block = exif.tobytes()
    # The second directory holds the thumbnail; it is linked from the end of the first one.
    order = "<" if block[6:8] == b"II" else ">"
    (first,) = struct.unpack(f"{order}I", block[10:14])
    (count,) = struct.unpack(f"{order}H", block[6 + first : 8 + first])
    link = 8 + first + 12 * count
    second = len(block) - 6
    entries = ((513, 4, 1, second + 2 + 24 + 4), (514, 4, 1, len(thumbnail.getvalue())))
    directory = struct.pack(f"{order}H", 2) + b"".join(struct.pack(f"{order}HHII", *e) for e in entries)
    block = block[:link] + struct.pack(f"{order}I", second) + block[link + 4 :] + directory + b"\0" * 4
    Image.new("RGB", (24, 16), (90, 120, 150)).save(
        path,
        exif=block + thumbnail.getvalue(),
        xmp=_XMP,
        extra=_app13(_IPTC),
        dpi=(240, 240),
        comment=b"A comment",
    )
    assert thumbnail.getvalue() in path.read_bytes()
    return path


def _doubled(photo: Photo) -> Photo:
    return replace(photo, pixels=np.repeat(np.repeat(photo.pixels, 2, 0), 2, 1), residual=None)


@pytest.mark.parametrize("file_format", [kind for kind in FileFormat if kind is not FileFormat.HEIF])
def test_everything_is_kept_and_brought_up_to_date(tmp_path: Path, file_format: FileFormat) -> None:
    photo = decode(_camera_jpeg(tmp_path / "a.jpg"))
    assert photo.notes == ()
    larger = _doubled(photo)
    data = encode(larger, file_format=file_format, software=_SOFTWARE)
    (tmp_path / "b").write_bytes(data)

    with Image.open(io.BytesIO(data)) as image:
        image.load()
        kept = image.getexif()
        assert kept[271] == "A camera" and float(kept[282]) in (240, 300)
        assert kept[305] == f"{_SOFTWARE}; source: Firmware 1.2"
        camera = kept.get_ifd(0x8769)
        assert (camera[40962], camera[40963]) == (32, 48), "the new size"
        assert float(camera[37386]) == 50
        assert kept.get_ifd(0x8825)[1] == "N"
        assert not kept.get_ifd(1), "no thumbnail of the old picture"
        if file_format in _WITH_IPTC:
            assert tuple(round(value) for value in image.info["dpi"]) == (240, 240)
    again = decode(tmp_path / "b")
    assert again.xmp == (
        b'<x:xmpmeta tiff:Orientation="1" tiff:ImageWidth="32" exif:PixelYDimension="48">'
        b"<tiff:ImageLength>48</tiff:ImageLength></x:xmpmeta>"
    )
    if file_format in _WITH_IPTC:
        assert again.iptc == _IPTC
    else:
        fitted = fit_to_format(larger, file_format)
        assert f"IPTC has no place in {file_format} and is not kept" in fitted.notes
    if file_format in (FileFormat.JPEG, FileFormat.PNG):
        assert again.comments == (("Comment", "A comment"),)


@pytest.mark.parametrize("file_format", [kind for kind in FileFormat if kind is not FileFormat.HEIF])
def test_strip_leaves_none(tmp_path: Path, file_format: FileFormat) -> None:
    photo = decode(_camera_jpeg(tmp_path / "a.jpg"))
    data = encode(photo, file_format=file_format, metadata="strip", software=_SOFTWARE)
    for trace in (b"A camera", b"A title", b"A comment", b"xmpmeta", b"facesr", b"Photoshop", b"pHYs"):
        assert trace not in data
    (tmp_path / "b").write_bytes(data)
    again = decode(tmp_path / "b")
    assert again.exif is None or file_format is FileFormat.TIFF
    assert (again.xmp, again.iptc, again.comments, again.dpi) == (None, None, (), None)


def test_a_second_run_does_not_pile_up_signatures(tmp_path: Path) -> None:
    photo = decode(_camera_jpeg(tmp_path / "a.jpg"))
    (tmp_path / "b.jpg").write_bytes(encode(photo, file_format=FileFormat.JPEG, software="facesr-cli 1, x"))
    again = encode(decode(tmp_path / "b.jpg"), file_format=FileFormat.JPEG, software="facesr-cli 2, y")
    with Image.open(io.BytesIO(again)) as image:
        assert image.getexif()[305] == "facesr-cli 2, y; source: Firmware 1.2"


def test_a_photo_without_exif_is_signed_too(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    data = encode(decode(tmp_path / "a.png"), file_format=FileFormat.PNG, software=_SOFTWARE)
    with Image.open(io.BytesIO(data)) as image:
        assert dict(image.getexif()) == {305: _SOFTWARE}


@pytest.mark.parametrize("kind", [7, 4])  # undefined bytes, and 32-bit numbers as old editors declare them
def test_iptc_of_a_tiff_becomes_that_of_a_jpeg(tmp_path: Path, kind: int) -> None:
    records = _IPTC + b"\0" * (-len(_IPTC) % 4)
    numbers = struct.unpack(f"<{len(records) // 4}I", records)
    tag = (
        (33723, kind, len(records), records, True)
        if kind == 7
        else (33723, kind, len(numbers), numbers, True)
    )
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extratags=[tag], byteorder="<")
    (tmp_path / "b.jpg").write_bytes(encode(decode(tmp_path / "a.tif"), file_format=FileFormat.JPEG))
    iptc = decode(tmp_path / "b.jpg").iptc
    assert iptc is not None and iptc.rstrip(b"\0") == _IPTC


def test_text_chunks_of_a_png(tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Title", "Ein Bild")
    chunks.add_itxt("Author", "Zoë 写真")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=chunks, dpi=(150, 75))
    photo = decode(tmp_path / "a.png")
    assert photo.comments == (("Title", "Ein Bild"), ("Author", "Zoë 写真"))
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.PNG))) as image:
        assert image.text == {"Title": "Ein Bild", "Author": "Zoë 写真"}
        assert tuple(round(value) for value in image.info["dpi"]) == (150, 75)
    note = "text comments have no place in webp and are not kept"
    assert fit_to_format(photo, FileFormat.WEBP).notes == (note,)


def test_dpi_turns_with_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", dpi=(100, 200), exif=exif)
    photo = decode(tmp_path / "a.jpg")
    assert photo.size == (4, 8) and photo.dpi == (200, 100)


@pytest.mark.parametrize("block", [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\0\0\0\0\0\0", b"\0\0\0\0"])
def test_exif_without_entries_is_not_damaged(tmp_path: Path, block: bytes) -> None:
    plain = io.BytesIO()
    Image.new("RGB", (8, 8)).save(plain, "JPEG")
    content = b"Exif\0\0" + block
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    (tmp_path / "a.jpg").write_bytes(plain.getvalue()[:2] + segment + plain.getvalue()[2:])
    photo = _quietly(tmp_path / "a.jpg")
    assert photo.exif is None and photo.notes == ()


def test_damaged_exif_costs_the_exif_not_the_photograph(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    photo = _quietly(tmp_path / "a.jpg")
    assert photo.exif is None
    assert photo.notes == ("EXIF is damaged and not kept",)


def _quietly(path: Path) -> Photo:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return decode(path)


def test_metadata_too_long_for_a_jpeg_is_left_out_and_said(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270] = "x" * 70_000
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", exif=exif)
    photo = decode(tmp_path / "a.png")
    fitted = fit_to_format(photo, FileFormat.JPEG)
    assert fitted.notes == ("EXIF is too long for jpeg and not kept",)
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.JPEG))) as image:
        assert 270 not in image.getexif()


def test_extended_xmp_is_said_not_to_be_kept(tmp_path: Path) -> None:
    content = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"<x/>"
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", extra=segment)
    assert decode(tmp_path / "a.jpg").notes == ("extended XMP is not kept",)


@pytest.mark.parametrize(
    "packet",
    [
        "<x tiff:Orientation='6'/>",
        '<x tiff:Orientation = "6"/>',
        "<tiff:Orientation> 6 </tiff:Orientation>",
        "<tiff:Orientation >6</tiff:Orientation >",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("kind", ["jpg", "tif", "png"])
def test_orientation_of_xmp_in_any_spelling(tmp_path: Path, packet: str, encoding: str, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    image, content = Image.new("RGB", (8, 4)), packet.encode(encoding)
    if kind == "jpg":
        image.save(path, xmp=content)
    elif kind == "tif":
        extra = [(700, 1, len(content), content, True)]
        tifffile.imwrite(path, np.zeros((4, 8, 3), np.uint8), photometric="rgb", extratags=extra)
    else:
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", packet)  # PNG has UTF-8 only
        image.save(path, pnginfo=chunks)
    photo = decode(path)
    assert photo.size == (4, 8)
    assert (
        photo.xmp is not None and photo.xmp.removeprefix(b"\xef\xbb\xbf") == packet.replace("6", "1").encode()
    )


def test_orientation_that_pillow_has_applied_is_not_applied_again(tmp_path: Path) -> None:
    packet = b'<x tiff:Orientation="6"/>'
    extra = [(700, 1, len(packet), packet, True)]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 8, 3), np.uint8), photometric="rgb", extratags=extra)
    photo = decode(tmp_path / "a.tif")
    assert photo.size == (4, 8) and photo.xmp == b'<x tiff:Orientation="1"/>'


def test_thumbnails_without_an_end_take_no_time(tmp_path: Path) -> None:
    packet = b"<xmp:Thumbnails>" * 60_000
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", packet.decode())
    Image.new("RGB", (8, 4)).save(tmp_path / "a.png", pnginfo=chunks)
    assert decode(tmp_path / "a.png").xmp == packet


def test_texts_with_one_keyword_are_all_kept(tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Comment", "first")
    chunks.add_text("Comment", "second", zip=True)
    chunks.add_itxt("Comment", "dritter ß", zip=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=chunks)
    photo = decode(tmp_path / "a.png")
    texts = (("Comment", "first"), ("Comment", "second"), ("Comment", "dritter ß"))
    assert photo.comments == texts
    (tmp_path / "b.png").write_bytes(encode(photo, file_format=FileFormat.PNG))
    assert decode(tmp_path / "b.png").comments == texts


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_jpeg_comment_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", comment="Grüße".encode(encoding))
    photo = decode(tmp_path / "a.jpg")
    assert photo.comments == (("Comment", "Grüße"),)
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.JPEG))) as image:
        assert image.info["comment"] == "Grüße".encode()


def test_video_of_a_motion_photo_is_said_not_to_be_kept(tmp_path: Path) -> None:
    note = ("the video of a motion photo is not kept",)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", xmp=b'<x GCamera:MotionPhoto="1"/>')
    photo = decode(tmp_path / "a.jpg")
    assert photo.notes == note and photo.xmp == b'<x GCamera:MotionPhoto="0"/>'
    plain = io.BytesIO()
    Image.new("RGB", (8, 8)).save(plain, "JPEG")
    (tmp_path / "b.jpg").write_bytes(plain.getvalue() + b"MotionPhoto_Data" + b"\0" * 99 + b"SEFT")
    assert decode(tmp_path / "b.jpg").notes == note
