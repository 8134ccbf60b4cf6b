"""Metadata in places of their own: Photoshop resources, raw profiles of a PNG, XMP of a GIF."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from facesr_cli.photo import decode

_IPTC = b"\x1c\x02\x78\x00\x07A title\x1c\x02\x50\x00\x04Name"
_XMP = (
    b'<x:xmpmeta tiff:Orientation="6" tiff:ImageWidth="24" exif:PixelYDimension="16">'
    b"<tiff:ImageLength>16</tiff:ImageLength><xmp:Thumbnails><i>AAAA</i></xmp:Thumbnails></x:xmpmeta>"
)


def _resources(records: bytes) -> bytes:
    """Photoshop's: one that is of no interest, with a name of odd length, and the IPTC."""
    other = b"8BIM\x03\xed\x02ab\0" + struct.pack(">I", 3) + b"abc\0"
    other += b"MeSa\x1b\x58\0\0" + struct.pack(">I", 2) + b"ab"  # of ImageReady
    return other + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records


def _raw_profile(name: str, content: bytes) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(f"Raw profile type {name}", f"\n{name}\n{len(content):8d}\n{content.hex()}\n", zip=True)
    return chunks


def test_iptc_among_photoshop_resources(tmp_path: Path) -> None:
    resources = _resources(_IPTC)
    extra = [(34377, 7, len(resources), resources, True)]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8, 3), np.uint8), photometric="rgb", extratags=extra)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=_raw_profile("8bim", resources))
    for name in ("a.tif", "a.png"):
        photo = decode(tmp_path / name)
        assert (photo.iptc, photo.notes) == (_IPTC, ())


def test_damaged_iptc_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=_raw_profile("8bim", _resources(_IPTC)[:-20]))
    assert decode(tmp_path / "a.png").notes == ("IPTC is damaged and not kept",)


def test_exif_and_xmp_in_raw_profiles_of_a_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271] = "A camera"
    for name, content in (
        ("exif", exif.tobytes()),
        ("APP1", exif.tobytes()),
        ("xmp", _XMP),
        ("APP1", b"http://ns.adobe.com/xap/1.0/\0" + _XMP),
    ):
        Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=_raw_profile(name, content))
        photo = decode(tmp_path / "a.png")
        assert photo.notes == () and photo.comments == ()
        if _XMP in content:
            assert photo.xmp is not None and b'tiff:Orientation="1"' in photo.xmp
        else:
            assert photo.exif is not None and b"A camera" in photo.exif


def test_xmp_of_a_gif(tmp_path: Path) -> None:
    plain = io.BytesIO()
    Image.new("P", (8, 8)).save(plain, "GIF")
    data = plain.getvalue()
    first = 13 + 3 * 2 ** ((data[10] & 7) + 1)  # behind the header and the global palette
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    block = b"\x21\xff\x0bXMP DataXMP" + b"<x:xmpmeta/>" + trailer
    (tmp_path / "a.gif").write_bytes(data[:first] + block + data[first:])
    assert decode(tmp_path / "a.gif").xmp == b"<x:xmpmeta/>"
