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


@pytest.fixture(scope="session")
def display_p3() -> bytes:
    """Display P3 primaries (adapted to D50) with a gamma of 2.2."""
    curve = _gamma(2.2)
    return _profile(
        b"mntr",
        b"RGB ",
        b"XYZ ",
        {
            b"rXYZ": _xyz(0.51512, 0.24120, -0.00105),
            b"gXYZ": _xyz(0.29198, 0.69225, 0.04189),
            b"bXYZ": _xyz(0.15710, 0.06657, 0.78407),
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        },
    )


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


@pytest.fixture(scope="session")
def write_png16() -> Callable[[Path, NDArray[np.uint16]], Path]:
    """Write (H, W, 3) uint16 as a PNG of 16 bits per channel."""

    def write(path: Path, pixels: NDArray[np.uint16]) -> Path:
        height, width = pixels.shape[:2]
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
        header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
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
