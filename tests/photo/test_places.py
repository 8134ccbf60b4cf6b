"""Faces and subjects that metadata point at are still there in the output."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from facesr_cli.batch.stages import enlarged
from facesr_cli.photo import FileFormat, decode, encode
from facesr_cli.photo.places import enlarged_xmp, turned_xmp

CAMERA = 0x8769

XMP_ATTRIBUTES = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>
<rdf:Description MPReg:Rectangle="0.15, 0.6, 0.1, 0.2">
<mwg-rs:Regions><mwg-rs:AppliedToDimensions stDim:w="80" stDim:h="40" stDim:unit="pixel"/>
<mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name="Ada">
<mwg-rs:Area stArea:x="0.2" stArea:y="0.7" stArea:w="0.1" stArea:h="0.2" stArea:unit="normalized"/>
</rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
<xmpTPg:MaxPageSize stDim:w="8" stDim:h="11" stDim:unit="inch"/></rdf:Description></rdf:RDF></x:xmpmeta>"""


def _as_elements(tag: re.Match[str]) -> str:
    content = re.sub(r'(\S+)="([^"]*)"', r"<\1>\2</\1>", tag[2])
    return f"<{tag[1]}>{content}</{tag[1]}>"


XMP_ELEMENTS = re.sub(r"<(mwg-rs:(?:Area|AppliedToDimensions)) ([^>]*)/>", _as_elements, XMP_ATTRIBUTES)


def _with_xmp(path: Path, xmp: str, orientation: int) -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    if path.suffix == ".tiff":
        exif[700] = xmp.encode()
    Image.fromarray(_marked()).save(path, exif=exif, xmp=xmp.encode())
    return path


def _marked() -> np.ndarray:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[24:32, 12:20] = 255  # centre (16, 28): 0.2 and 0.7 of the sides
    return pixels


def _values(xmp: bytes, name: str) -> list[float]:
    found = re.findall(rf"""{name}(?:="|>)([0-9., ]+)""", xmp.decode())
    return [float(value) for value in found[0].split(",")]


@pytest.mark.parametrize("xmp", [XMP_ATTRIBUTES, XMP_ELEMENTS], ids=["attributes", "elements"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_places_point_at_what_they_pointed_at(tmp_path: Path, orientation: int, xmp: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    exif[CAMERA] = {
        0x9214: (16, 28, 8, 4),
        0xA214: (16, 28),
        0xA20E: TiffImagePlugin.IFDRational(300, 1),
        0xA20F: TiffImagePlugin.IFDRational(500, 1),
    }
    path = tmp_path / "a.png"
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp)
    Image.fromarray(_marked()).save(path, exif=exif, pnginfo=text)
    photo = decode(path)
    larger = enlarged(photo, photo.pixels.repeat(2, axis=0).repeat(2, axis=1))
    with Image.open(io.BytesIO(encode(larger, file_format=FileFormat.JPEG, quality=95))) as image:
        result, camera, packet = np.asarray(image), image.getexif().get_ifd(CAMERA), image.info["xmp"]
    height, width = result.shape[:2]
    turned = orientation >= 5
    assert (width, height) == ((80, 160) if turned else (160, 80))

    def bright(x: float, y: float) -> bool:
        return bool(result[round(y), round(x)].min() > 200)

    x, y = _values(packet, "stArea:x")[0], _values(packet, "stArea:y")[0]
    assert bright(x * width, y * height)
    extent = _values(packet, "stArea:w") + _values(packet, "stArea:h")
    assert extent == ([0.2, 0.1] if turned else [0.1, 0.2])
    left, top, across, down = _values(packet, "MPReg:Rectangle")
    assert bright((left + across / 2) * width, (top + down / 2) * height)
    assert _values(packet, "stDim:w") + _values(packet, "stDim:h") == [width, height]
    assert b'<xmpTPg:MaxPageSize stDim:w="8" stDim:h="11"' in packet, "no size of the picture"
    assert bright(*camera[0x9214][:2]) and bright(*camera[0xA214])
    assert camera[0x9214][2:] == ((8, 16) if turned else (16, 8))
    assert (camera[0xA20E], camera[0xA20F]) == ((1000, 600) if turned else (600, 1000))


@pytest.mark.parametrize(
    "packet",
    [
        b"<mwg-rs:Area " * 100_000,
        b"<mwg-rs:AppliedToDimensions " * 100_000,
        b'<mwg-rs:Area stArea:x="120" stArea:y="50" stArea:unit="pixel"/>',
        b'<mwg-rs:Area stArea:x="1.2.3" stArea:y="0"/>',
        b'<mwg-rs:Area stArea:x="0.5"/>',
        b'MPReg:Rectangle="1, 2"',
        b"</mwg-rs:Area>",
    ],
)
@pytest.mark.timeout(20)
def test_nonsense_stays_and_costs_no_time(packet: bytes) -> None:
    assert turned_xmp(packet, 6) == packet
    assert enlarged_xmp(packet, 2) == packet


def test_regions_of_another_size_stay_so() -> None:
    """By the size readers see that they are those of the picture before it was cropped."""
    packet = b'<mwg-rs:AppliedToDimensions stDim:w="4000" stDim:h="3000" stDim:unit="pixel"/>'
    assert enlarged_xmp(packet, 2) == packet.replace(b"4000", b"8000").replace(b"3000", b"6000")


@pytest.mark.parametrize("suffix", ["jpg", "tiff", "webp"])
def test_regions_are_turned_in_files_of_every_kind(tmp_path: Path, suffix: str) -> None:
    photo = decode(_with_xmp(tmp_path / f"a.{suffix}", XMP_ATTRIBUTES, 6))
    assert photo.xmp is not None and photo.pixels.shape[:2] == (80, 40)
    x, y = _values(photo.xmp, "stArea:x")[0], _values(photo.xmp, "stArea:y")[0]
    assert photo.pixels[round(y * 80), round(x * 40)].min() > 200


def test_a_subject_beyond_what_exif_can_state_is_left_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[CAMERA] = {0xA214: (40_000, 2)}
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", exif=exif)
    photo = decode(tmp_path / "a.png")
    larger = enlarged(photo, photo.pixels.repeat(2, axis=0).repeat(2, axis=1))
    with Image.open(io.BytesIO(encode(larger, file_format=FileFormat.PNG))) as image:
        assert 0xA214 not in image.getexif().get_ifd(CAMERA)
