"""PNG of 16 bits per channel, which Pillow writes for grey only: filters in numpy, deflate from zlib.

Pillow still makes all that surrounds the pixels, for a picture of one pixel whose IHDR and IDAT are replaced.
Why this and no library: see `deep`, which reads such files.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_cli.photo.bands import Banded

LEVEL = 1
"""Of deflate, in PNG of 8 and of 16 bits. On photographs level 6 makes files 7 % smaller in 3 to 5 times the
time (docs/benchmarks.md)."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {2: 4, 3: 2, 4: 6}  # channels: PNG colour type
_BAND_BYTES = 8_000_000
"""Filtered and compressed at a time."""
_IDAT_BYTES = 1 << 20


def png16(samples: Banded, options: dict[str, Any]) -> bytes:
    """Return a whole PNG file.

    Args:
        samples: (H, W, C) uint16, C 2 grey and alpha, 3 RGB, 4 RGB and alpha. Pillow writes grey alone.
        options: Options of Pillow's PNG writer, for metadata and profile.
    """
    around = io.BytesIO()
    Image.new("RGB", (1, 1)).save(around, "PNG", **options)
    file = io.BytesIO()  # not a list of parts: joining them would take the memory of two files
    file.write(_SIGNATURE)
    for name, chunk in _chunks(around.getvalue()):
        if name == b"IHDR":
            height, width, channels = samples.shape
            file.write(
                _chunk(name, struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0))
            )
        elif name == b"IDAT":
            file.writelines(_pixel_chunks(samples))
        else:
            file.write(chunk)
    return file.getvalue()


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, whole chunk with length and CRC)."""
    start = len(_SIGNATURE)
    while start < len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        yield name, data[start : start + 12 + length]
        start += 12 + length


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _pixel_chunks(samples: Banded) -> Iterator[bytes]:
    height, width, channels = samples.shape
    row_bytes = width * channels * 2
    compressor = zlib.compressobj(LEVEL)
    previous: NDArray[np.uint8] = np.zeros(row_bytes, dtype=np.uint8)
    waiting = b""
    rows = max(1, _BAND_BYTES // row_bytes)
    for top in range(0, height, rows):
        # (h, W, C) uint16 -> (h, W * C * 2) bytes, high byte first
        band = (
            samples.make(slice(top, min(top + rows, height)))
            .astype(">u2")
            .reshape(-1, width * channels)
            .view(np.uint8)
        )
        waiting += compressor.compress(_filtered(band, previous, 2 * channels).tobytes())
        previous = band[-1]
        if len(waiting) >= _IDAT_BYTES:
            yield _chunk(b"IDAT", waiting)
            waiting = b""
    yield _chunk(b"IDAT", waiting + compressor.flush())


def _filtered(band: NDArray[np.uint8], previous: NDArray[np.uint8], pitch: int) -> NDArray[np.uint8]:
    """Filter rows (W3C PNG, 9.2) and put the type in front of each.

    Args:
        band: (h, n) bytes of h rows.
        previous: (n,) bytes of the row above them.
        pitch: Bytes per pixel.
    """
    above = np.vstack([previous, band[:-1]])
    left, corner = _shifted(band, pitch), _shifted(above, pitch)
    candidates = {1: band - left, 2: band - above, 4: band - _paeth(left, above, corner)}
    # The heuristic of the PNG specification (12.8): least sum of absolute differences, bytes taken as signed.
    costs = np.stack(
        [np.abs(rows.view(np.int8).astype(np.int16)).sum(axis=1) for rows in candidates.values()]
    )
    best = costs.argmin(axis=0)
    filtered = np.empty((band.shape[0], band.shape[1] + 1), dtype=np.uint8)
    for index, (kind, rows) in enumerate(candidates.items()):
        chosen = best == index
        filtered[chosen, 0], filtered[chosen, 1:] = kind, rows[chosen]
    return filtered


def _shifted(rows: NDArray[np.uint8], pitch: int) -> NDArray[np.uint8]:
    """Each byte's neighbour one pixel to the left, 0 at the edge."""
    shifted = np.zeros_like(rows)
    shifted[:, pitch:] = rows[:, :-pitch]
    return shifted


def _paeth(left: NDArray[np.uint8], above: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Whichever neighbour is nearest to left + above - corner; ties in the order left, above, corner."""
    a, b, c = (plane.astype(np.int16) for plane in (left, above, corner))
    to_left, to_above, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    near_left = (to_left <= to_above) & (to_left <= to_corner)
    return np.where(near_left, left, np.where(to_above <= to_corner, above, corner))
