"""The two arrays behind each figure: the original as ground truth, and its low-resolution photograph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_cli.bench.degradations import DEGRADATIONS, crop_to_even
from facesr_cli.bench.pairs import Sample
from facesr_cli.errors import UnreadablePhotoError
from facesr_cli.photo.decode import decode

GIVEN = "given"
"""Name of the degradation in tables when the low-resolution photographs were not made by us."""

# SSIM needs a window of 7 px inside the photograph, and below this a face is not a face.
_MIN_SIDE_PX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What happens to an original before it serves as ground truth and is degraded."""

    square_px: int | None = 1024
    """Photographs that are not square, or whose side is longer, are centre-cropped to a square and, if that
    is still longer, reduced to this side with Lanczos. None: they keep their shape and size."""

    def __post_init__(self) -> None:
        if self.square_px is not None and self.square_px < _MIN_SIDE_PX:
            raise ValueError(f"square_px is {self.square_px}, expected at least {_MIN_SIDE_PX}")

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the ground truth of a (H, W, 3) uint8 RGB original: cropped, reduced, sides even."""
        height_px, width_px = pixels.shape[:2]
        side_px = min(height_px, width_px)
        if self.square_px is not None and (height_px != width_px or side_px > self.square_px):
            top, left = (height_px - side_px) // 2, (width_px - side_px) // 2
            pixels = pixels[top : top + side_px, left : left + side_px]
            if side_px > self.square_px:
                image = Image.fromarray(np.ascontiguousarray(pixels))
                size = (self.square_px, self.square_px)
                pixels = np.array(image.resize(size, Image.Resampling.LANCZOS))
        return crop_to_even(pixels)


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """Read a photograph with the decoder of `upscale` as (H, W, 3) uint8 sRGB, upright; 16 bits are rounded.

    Raises:
        UnreadablePhotoError: The file is not a photograph that can be read, or is smaller than 16 px.
    """
    pixels = decode(path).pixels
    if min(pixels.shape[:2]) < _MIN_SIDE_PX:
        raise UnreadablePhotoError("too-small", f"{path} is smaller than {_MIN_SIDE_PX} px: leave it out")
    if pixels.dtype == np.uint16:
        # 65535 / 255 = 257; adding 128 before the division rounds to nearest.
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels.astype(np.uint8, copy=False)


def read_ground_truth(sample: Sample, preparation: Preparation) -> NDArray[np.uint8]:
    """Return the (H, W, 3) uint8 RGB ground truth of a sample; originals of given pairs stay as they are.

    Raises:
        UnreadablePhotoError: The original cannot be read.
    """
    pixels = read_pixels(sample.high)
    return pixels if sample.low is not None else preparation.apply(pixels)


def low_resolution(
    sample: Sample, truth: NDArray[np.uint8], degradation: str, *, scale: int
) -> NDArray[np.uint8]:
    """Return the (H / scale, W / scale, 3) uint8 RGB photograph that the models are given.

    Args:
        sample: Where the photograph comes from.
        truth: (H, W, 3) uint8 RGB ground truth of that sample.
        degradation: A key of `DEGRADATIONS`, or `GIVEN` for a sample with a low-resolution file.
        scale: Factor per side between the two; degradations of ours halve.

    Raises:
        UnreadablePhotoError: A given photograph cannot be read, or is not `scale` times smaller.
    """
    if sample.low is None:
        return DEGRADATIONS[degradation](truth, sample.high.name)
    low = read_pixels(sample.low)
    expected = (low.shape[0] * scale, low.shape[1] * scale)
    if truth.shape[:2] != expected:
        raise UnreadablePhotoError(
            "size-mismatch",
            f"{sample.low} is {_size(low)} and {sample.high} is {_size(truth)}: "
            f"the second must be exactly {scale} times as wide and high as the first",
        )
    return low


def _size(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
