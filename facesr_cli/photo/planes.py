"""Lanczos resizing of the planes that the network does not see: alpha and colour residuals."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_cli.photo.bands import bands

_Dtype = TypeVar("_Dtype", np.uint8, np.uint16, np.int16, np.int32)

_REACH = 4
"""Source rows that Lanczos with three lobes looks beyond a band when enlarging, and one for rounding."""


def lanczos(plane: NDArray[_Dtype], width: int, height: int) -> NDArray[_Dtype]:
    """Resize (H, W) or (H, W, C) to (height, width[, C]) with Pillow's Lanczos, rounded, dtype kept.

    Values that the filter drives beyond the range of the dtype are clipped, not wrapped.
    """
    rows, columns = plane.shape[:2]
    if width < columns or height < rows:
        return _resized(plane, width, height, None)
    larger = np.empty((height, width, *plane.shape[2:]), dtype=plane.dtype)
    for band in bands(height, width):  # the filter works in floats, four times the size of alpha
        larger[band] = lanczos_rows(plane, width, height, band.start, band.stop)
    return larger


def lanczos_rows(plane: NDArray[_Dtype], width: int, height: int, top: int, bottom: int) -> NDArray[_Dtype]:
    """Return rows `top` to `bottom` of `lanczos(plane, width, height)`, at the cost of those rows only.

    `width` and `height` are at least those of the plane. A plane of that size already is only sliced.
    """
    rows, columns = plane.shape[:2]
    if (columns, rows) == (width, height):
        return plane[top:bottom]
    pitch = rows / height  # source rows per row
    first = max(0, math.floor(top * pitch) - _REACH)
    last = min(rows, math.ceil(bottom * pitch) + _REACH)
    # The box may begin between two rows: its edges are those of the wanted band, and the rows beyond them
    # only weigh in. Pillow reads nothing outside the box, so it is as large as the rows that are there.
    out_first, out_last = math.ceil(first / pitch), math.floor(last / pitch)
    box = (0.0, out_first * pitch - first, float(columns), out_last * pitch - first)
    band = _resized(plane[first:last], width, out_last - out_first, box)
    return band[top - out_first : bottom - out_first]


def _resized(
    plane: NDArray[_Dtype], width: int, height: int, box: tuple[float, float, float, float] | None
) -> NDArray[_Dtype]:
    if plane.ndim == 3:
        channels = [_resized(plane[:, :, channel], width, height, box) for channel in range(plane.shape[2])]
        return np.stack(channels, axis=2)
    # Mode F, because Pillow's 8-bit path rounds between the two passes and knows no signed type.
    image = Image.fromarray(plane.astype(np.float32))
    resized = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, box=box))
    limits = np.iinfo(plane.dtype)
    clipped: NDArray[_Dtype] = np.clip(np.rint(resized), limits.min, limits.max).astype(plane.dtype)
    return clipped
