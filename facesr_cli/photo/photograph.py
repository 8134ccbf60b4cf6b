"""`Photo`: what is kept of one photograph between decoding and encoding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
"""Full-range samples: 0-255 in uint8, 0-65535 in uint16."""

Residual: TypeAlias = NDArray[np.int16] | NDArray[np.int32]
"""Differences of samples: int16, or int32 of uint16 where that is too narrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One decoded photograph, upright, with the colours that the network expects.

    `decode` makes it, the batch room replaces the arrays by larger ones, `encode` writes it.
    """

    pixels: Samples
    """(H, W, 3) RGB, full range, upright; uint16 where the source has more than 8 bits. Colour is sRGB; a
    grey photograph has three equal channels whose values are those of the file (a grey profile is carried
    along, not applied)."""

    format: str
    """Pillow's name of the kind of file it came from, e.g. "JPEG"."""

    alpha: Samples | None = None
    """(H, W), dtype of `pixels`, 0 transparent, not premultiplied; None where the source has none."""

    residual: Residual | None = None
    """(H, W, 3) of the source's size: what converting to sRGB and back to `icc_profile` loses, in levels of
    that profile: colours outside sRGB and rounding. Enlarged and added again at encode, so it stays as it is
    while `pixels` grow; None where nothing is lost."""

    grey: bool = False
    """The source was grey and is written back with one channel."""

    icc_profile: bytes | None = None
    """Profile of the source, embedded again at encode; None for untagged sources, which are taken as sRGB."""

    exif: bytes | None = None
    """`Exif\\0\\0` and a TIFF block, Orientation already 1."""

    xmp: bytes | None = None
    """The XMP packet, UTF-8, tiff:Orientation already 1."""

    iptc: bytes | None = None
    """IPTC-IIM records, without a wrapper."""

    comments: tuple[tuple[str, str], ...] = ()
    """(keyword, text) of PNG text chunks; of JPEG and GIF comments under the keyword "Comment"."""

    dpi: tuple[float, float] | None = None
    """Horizontal and vertical pixels per inch that the container states, apart from EXIF."""

    lossless: bool = False
    """The source file stores its pixels without loss."""

    notes: tuple[str, ...] = ()
    """What of the source is not kept, in words for a person; empty for most photographs."""

    def __post_init__(self) -> None:
        height, width = _rows_columns(self.pixels, channels=3)
        if self.pixels.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"pixels must be uint8 or uint16, not {self.pixels.dtype}")
        if self.alpha is not None:
            if _rows_columns(self.alpha, channels=None) != (height, width):
                raise ValueError(f"alpha is {self.alpha.shape}, pixels are {self.pixels.shape}")
            if self.alpha.dtype != self.pixels.dtype:
                raise ValueError(f"alpha is {self.alpha.dtype}, pixels are {self.pixels.dtype}")
        if self.residual is not None:
            rows, columns = _rows_columns(self.residual, channels=3)
            if rows > height or columns > width:
                raise ValueError(f"residual is {self.residual.shape}, pixels are {self.pixels.shape}")

    def with_notes(self, notes: tuple[str, ...]) -> Photo:
        """Return the same photo, or one with further `notes` where there are any."""
        return replace(self, notes=(*self.notes, *notes)) if notes else self

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), in that order."""
        return self.width, self.height


def _rows_columns(array: NDArray[Any], *, channels: int | None) -> tuple[int, int]:
    """Return (H, W) of an (H, W) or (H, W, channels) array; ValueError for any other shape."""
    expected = 2 if channels is None else 3
    if array.ndim != expected or (channels is not None and array.shape[2] != channels) or 0 in array.shape:
        raise ValueError(f"unexpected shape {array.shape}")
    return int(array.shape[0]), int(array.shape[1])
