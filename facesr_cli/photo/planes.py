"""Lanczos resizing of the planes that the network does not see: alpha and colour residuals."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_Dtype = TypeVar("_Dtype", np.uint8, np.uint16, np.int16)


def lanczos(plane: NDArray[_Dtype], width: int, height: int) -> NDArray[_Dtype]:
    """Resize (H, W) or (H, W, C) to (height, width[, C]) with Pillow's Lanczos, rounded, dtype kept.

    Values that the filter drives beyond the range of the dtype are clipped, not wrapped.
    """
    if plane.ndim == 3:
        channels = [lanczos(plane[:, :, channel], width, height) for channel in range(plane.shape[2])]
        return np.stack(channels, axis=2)
    # Mode F, because Pillow's 8-bit path rounds between the two passes and knows no signed type.
    image = Image.fromarray(plane.astype(np.float32))
    resized = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
    limits = np.iinfo(plane.dtype)
    clipped: NDArray[_Dtype] = np.clip(np.rint(resized), limits.min, limits.max).astype(plane.dtype)
    return clipped
