"""TIFF of 8 or 16 bits: deflated strips behind a directory that takes over the entries of EXIF as they are.

Pillow's own writer knows no 16-bit colour, and writes camera and GPS data only into uncompressed files.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any

from numpy.typing import NDArray

from facesr_cli.errors import WriteFailedError
from facesr_cli.photo.bands import BAND_PIXELS, Banded
from facesr_cli.photo.exif import BYTE, LONG, RATIONAL, SHORT, UNDEFINED, Entry, Exif, Order

_STRIP_BYTES = 1 << 20
_MAX_BYTES = 2**32 - 2**24  # offsets have 32 bits; some room for the directory
_DEFLATE, _DIFFERENCES = 8, 2  # Compression, Predictor
_STRIP_OFFSETS, _STRIP_BYTE_COUNTS = 273, 279


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What goes into the directory besides the pixels."""

    exif: Exif | None = None
    """Its byte order becomes that of the file, because maker notes have it too. Written into: used up."""
    icc_profile: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None


def tiff(samples: Banded, extras: Extras) -> bytes:
    """Return a whole TIFF file.

    Args:
        samples: (H, W, C) uint8 or uint16, C 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha, not
            premultiplied.
        extras: Metadata and profile.

    Raises:
        WriteFailedError: `format-limit` where the file would exceed 4 GiB.
    """
    height, width, channels = samples.shape
    rows = max(1, _STRIP_BYTES // (width * channels * samples.dtype.itemsize))
    order: Order = "<" if extras.exif is None else extras.exif.order
    strips = [
        _strip(band[top : top + rows], order)
        for band in _bands_of_strips(samples, rows)
        for top in range(0, len(band), rows)
    ]
    sizes = [len(strip) for strip in strips]
    if sum(sizes) > _MAX_BYTES:
        raise WriteFailedError("format-limit", "TIFF holds at most 4 GiB. Use --format png.")

    tags = Exif() if extras.exif is None else extras.exif
    entries = tags.main.entries
    for tag, content, kind in (
        (34675, extras.icc_profile, UNDEFINED),
        (700, extras.xmp, BYTE),
        (33723, extras.iptc, UNDEFINED),
    ):
        if content is not None:
            entries[tag] = Entry(kind, content)
    if extras.dpi is not None:
        for tag, value in ((282, extras.dpi[0]), (283, extras.dpi[1])):
            dots = Fraction(value).limit_denominator(1000)
            entries[tag] = tags.entry(RATIONAL, dots.numerator, dots.denominator)
        entries[296] = tags.entry(SHORT, 2)  # per inch
    entries[256], entries[257] = tags.entry(LONG, width), tags.entry(LONG, height)
    entries[258] = tags.entry(SHORT, *(samples.dtype.itemsize * 8,) * channels)
    entries[259], entries[317] = tags.entry(SHORT, _DEFLATE), tags.entry(SHORT, _DIFFERENCES)
    entries[262] = tags.entry(SHORT, 2 if channels >= 3 else 1)  # RGB, or black is zero
    entries[277], entries[278] = tags.entry(SHORT, channels), tags.entry(LONG, rows)
    entries[284] = tags.entry(SHORT, 1)
    if channels in (2, 4):
        entries[338] = tags.entry(SHORT, 2)  # the extra sample is alpha, not premultiplied
    entries[_STRIP_BYTE_COUNTS] = tags.entry(LONG, *sizes)
    entries[_STRIP_OFFSETS] = tags.entry(LONG, *sizes)  # of the right length, to learn where strips begin
    start = len(tags.tiff())
    entries[_STRIP_OFFSETS] = tags.entry(LONG, *accumulate(sizes[:-1], initial=start))
    file = io.BytesIO()
    file.write(tags.tiff())
    strips.reverse()
    while strips:  # what is written is let go: two files would not fit beside the pixels of a large picture
        file.write(strips.pop())
    return file.getvalue()


def _bands_of_strips(samples: Banded, rows: int) -> Iterator[NDArray[Any]]:
    """Yield all rows, in bands of whole strips of `rows`."""
    height, width, _ = samples.shape
    step = max(1, BAND_PIXELS // (width * rows)) * rows
    return (samples.make(slice(top, min(top + step, height))) for top in range(0, height, step))


def _strip(rows: NDArray[Any], order: Order) -> bytes:
    """Deflate the differences to the pixel on the left, in the byte order given (TIFF 6.0, section 14)."""
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]  # wraps around, as the predictor does
    return zlib.compress(differences.astype(differences.dtype.newbyteorder(order), copy=False).tobytes())
