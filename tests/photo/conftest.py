"""Fixtures of the photo room: colour profiles built byte by byte, and files that Pillow cannot write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

# Left, top, step right and step down of each pass: W3C PNG, 8.2.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(x) + _fixed(y) + _fixed(z)


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC version 2 profile: 128 bytes of header, the tag table, the tags."""
    text = b"test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 79,
        b"cprt": b"text\0\0\0\0" + text + b"\0" * 3,
        b"wtpt": _xyz(0.9642, 1.0, 0.8249),
        **tags,
    }
    table, body = b"", b""
    offset = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        padded = data + b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += padded
    header = struct.pack(">I4sI4s4s4s", offset + len(body), b"lcms", 0x02100000, kind, space, connection)
    header += struct.pack(">6H4s", 2025, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    header += _fixed(0.9642) + _fixed(1.0) + _fixed(0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


# Columns R, G, B of the matrices to XYZ at D50.
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))


def rgb_profile(columns: tuple[tuple[float, ...], ...], curve: bytes) -> bytes:
    """An RGB profile made of a matrix and one curve for all channels."""
    tags = {name: _xyz(*column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


@pytest.fixture(scope="session")
def display_p3() -> bytes:
    """Display P3 primaries with a gamma of 2.2."""
    return rgb_profile(DISPLAY_P3, _gamma(2.2))


@pytest.fixture(scope="session")
def adobe_rgb() -> bytes:
    """The primaries of Adobe RGB (1998), adapted to D50, with its gamma."""
    return rgb_profile(ADOBE_RGB, _gamma(563 / 256))


@pytest.fixture(scope="session")
def prophoto() -> bytes:
    """ROMM RGB with its gamma of 1.8, whose blue and green no eye can see."""
    return rgb_profile(PROPHOTO, _gamma(1.8))


@pytest.fixture(scope="session")
def grey_profile() -> bytes:
    """Grey with a gamma of 1.8, as old scanners have it."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _gamma(1.8)})


@pytest.fixture(scope="session")
def cmyk_profile() -> bytes:
    """A CMYK profile that can only be read from: a 2x2x2x2 table to Lab in which K alone counts."""
    ramp = bytes(range(256))
    table = bytearray()
    for corner in range(16):  # the last channel, K, varies fastest
        black = corner & 1
        table += bytes((0 if black else 255, 128, 128))  # L*, a*, b* in the 8-bit encoding of ICC version 2
    identity = b"".join(_fixed(value) for value in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + ramp * 4 + bytes(table) + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})


def _table(corners: list[tuple[int, int, int]]) -> bytes:
    """A 2x2x2 table of three channels, the last of which varies fastest, between straight curves."""
    ramp = bytes(range(256)) * 3
    identity = b"".join(_fixed(value) for value in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    body = bytes(value for corner in corners for value in corner)
    return b"mft1\0\0\0\0" + bytes((3, 3, 2, 0)) + identity + ramp + body + ramp


# Lab with L* from green, a* and b* from the others, dull; and its inverse, clipped.
_TO_LAB = _table([(255 * g, 98 + 60 * r, 98 + 60 * b) for r in (0, 1) for g in (0, 1) for b in (0, 1)])
_FROM_LAB = _table([(255 * a, 255 * light, 255 * b) for light in (0, 1) for a in (0, 1) for b in (0, 1)])


@pytest.fixture(scope="session")
def scanner_profile() -> bytes:
    """An RGB profile of a table that can only be read from."""
    return _profile(b"scnr", b"RGB ", b"Lab ", {b"A2B0": _TO_LAB})


@pytest.fixture(scope="session")
def table_profile() -> bytes:
    """An RGB profile of tables in both directions, far from sRGB."""
    return _profile(b"mntr", b"RGB ", b"Lab ", {b"A2B0": _TO_LAB, b"B2A0": _FROM_LAB})


@pytest.fixture(scope="session")
def write_png16() -> Callable[[Path, NDArray[np.uint16]], Path]:
    """Write (H, W, 1-4) uint16 as a PNG of 16 bits per channel, in the seven passes of Adam7 if asked to."""

    def write(
        path: Path, pixels: NDArray[np.uint16], *, interlaced: bool = False, extra: tuple[bytes, bytes] = ()
    ) -> Path:
        height, width, channels = pixels.shape
        passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
        parts = (pixels[top::down, left::right] for left, top, right, down in passes)
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for part in parts if part.size for row in part)
        kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
        header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, int(interlaced))
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        if extra:
            chunks.insert(1, extra)
        data = b"\x89PNG\r\n\x1a\n"
        for name, body in chunks:
            data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def colours() -> NDArray[np.uint8]:
    """(24, 32, 3) uint8: smooth ramps of all three channels, and a patch of pure red."""
    rows, columns = np.mgrid[0:24, 0:32]
    pixels = np.stack([columns * 8, rows * 10, 255 - columns * 8], axis=-1).astype(np.uint8)
    pixels[:6, :6] = (255, 0, 0)
    return pixels


@pytest.fixture
def asymmetric() -> Image.Image:
    """6x4 RGB whose four corners differ, so that each orientation gives another picture."""
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[0, 0] = (255, 0, 0)
    pixels[0, 5] = (0, 255, 0)
    pixels[3, 0] = (0, 0, 255)
    pixels[3, 5] = (255, 255, 0)
    return Image.fromarray(pixels)


@pytest.fixture(scope="session")
def srgb_like() -> bytes:
    """The primaries of sRGB with a curve of 1,024 sampled values, as scanners and editors write it."""
    encoded = np.linspace(0, 1, 1024)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    values = np.rint(linear * 65535).astype(">u2").tobytes()
    columns = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
    return rgb_profile(columns, b"curv\0\0\0\0" + struct.pack(">I", 1024) + values)
