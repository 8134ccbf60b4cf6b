"""TIFF of 8 or 16 bits: deflated strips, and a directory that Pillow lays out.

Pillow's own writer knows no 16-bit colour, and writes camera and GPS data only into uncompressed files. Its
`ImageFileDirectory_v2` has neither limit; only the strips behind it are made here.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from facesr_cli.errors import WriteFailedError
from facesr_cli.photo.bands import BAND_PIXELS, Banded

_STRIP_BYTES = 1 << 20
_MAX_BYTES = 2**32 - 2**24  # offsets have 32 bits; some room for the directory
_BYTE, _LONG, _UNDEFINED = 1, 4, 7
_DEFLATE, _DIFFERENCES = 8, 2  # Compression, Predictor
_STRIP_OFFSETS, _STRIP_BYTE_COUNTS = 273, 279


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What goes into the directory besides the pixels."""

    exif: Image.Exif | None = None
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
    strips = [
        _strip(band[top : top + rows])
        for band in _bands_of_strips(samples, rows)
        for top in range(0, len(band), rows)
    ]
    sizes = [len(strip) for strip in strips]
    if sum(sizes) > _MAX_BYTES:
        raise WriteFailedError("format-limit", "TIFF holds at most 4 GiB. Use --format png.")

    directory = TiffImagePlugin.ImageFileDirectory_v2()
    if extras.exif is not None:
        _copy_exif(extras.exif, directory)
    for tag, content, kind in (
        (34675, extras.icc_profile, _UNDEFINED),
        (700, extras.xmp, _BYTE),
        (33723, extras.iptc, _UNDEFINED),
    ):
        if content is not None:
            directory.tagtype[tag] = kind
            directory[tag] = content
    if extras.dpi is not None:
        directory[282], directory[283] = (Fraction(value).limit_denominator(1000) for value in extras.dpi)
        directory[296] = 2  # per inch
    directory[256], directory[257] = width, height
    directory[258] = (samples.dtype.itemsize * 8,) * channels
    directory[259], directory[317] = _DEFLATE, _DIFFERENCES
    directory[262] = 2 if channels >= 3 else 1  # RGB, or black is zero
    directory[277], directory[278], directory[284] = channels, rows, 1
    if channels in (2, 4):
        directory[338] = 2  # the extra sample is alpha, not premultiplied
    # Relative to the end of the directory, to which `save` adds its length; LONG from the start for that.
    directory.tagtype[_STRIP_OFFSETS] = directory.tagtype[_STRIP_BYTE_COUNTS] = _LONG
    directory[_STRIP_OFFSETS] = tuple(sum(sizes[:index]) for index in range(len(sizes)))
    directory[_STRIP_BYTE_COUNTS] = tuple(sizes)
    file = io.BytesIO()
    directory.save(file)
    strips.reverse()
    while strips:  # what is written is let go: two files would not fit beside the pixels of a large picture
        file.write(strips.pop())
    return file.getvalue()


def _bands_of_strips(samples: Banded, rows: int) -> Iterator[NDArray[Any]]:
    """Yield all rows, in bands of whole strips of `rows`."""
    height, width, _ = samples.shape
    step = max(1, BAND_PIXELS // (width * rows)) * rows
    return (samples.make(slice(top, min(top + step, height))) for top in range(0, height, step))


def _strip(rows: NDArray[Any]) -> bytes:
    """Deflate the differences to the pixel on the left, little-endian (TIFF 6.0, section 14)."""
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]  # wraps around, as the predictor does
    return zlib.compress(differences.astype(differences.dtype.newbyteorder("<"), copy=False).tobytes())


def _copy_exif(exif: Image.Exif, directory: TiffImagePlugin.ImageFileDirectory_v2) -> None:
    """Through its bytes: only then are all tags decoded, and sub-directories are dictionaries."""
    content = exif.tobytes()
    tags = Image.Exif()
    tags.load(content)
    for tag, value in tags.items():
        directory[tag] = dict(tags.get_ifd(tag)) if tag in (0x8769, 0x8825) else value
