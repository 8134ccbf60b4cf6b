"""Side-by-side crops: low resolution, bicubic, ours and the original, as one captioned PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter

from facesr_cli.bench.metrics import psnr_db

CROP_PX = 256
"""Side of the crop in pixels of the original; smaller photographs are shown whole."""

_CAPTION_PX = 22
_GAP_PX = 4
_FONT_PX = 13
_STEP_PX = 8
# Crops come from the middle of a portrait, where the face is: a flag or a tie has more detail than an eye.
_MARGIN = 0.2


def side_by_side(
    *,
    low: NDArray[np.uint8],
    bicubic: NDArray[np.uint8],
    ours: NDArray[np.uint8],
    original: NDArray[np.uint8],
    model: str,
    title: str,
) -> bytes:
    """Return a PNG with one crop of four pictures beside each other and the figures of the whole photograph.

    Args:
        low: (h, w, 3) uint8 RGB low-resolution photograph, shown enlarged without interpolation.
        bicubic: (H, W, 3) uint8 RGB.
        ours: (H, W, 3) uint8 RGB result of the model.
        original: (H, W, 3) uint8 RGB.
        model: Name of the model, for its caption.
        title: First line of the picture.
    """
    scale = original.shape[0] // low.shape[0]
    nearest = low.repeat(scale, axis=0).repeat(scale, axis=1)
    rows, columns = detailed_window(original, CROP_PX)
    panels = [
        (f"low resolution, x{scale} nearest", nearest),
        (f"bicubic, {psnr_db(bicubic, original):.2f} dB", bicubic),
        (f"{model}, {psnr_db(ours, original):.2f} dB", ours),
        ("original", original),
    ]
    return _composed([(caption, image[rows, columns]) for caption, image in panels], title)


def detailed_window(image: NDArray[np.uint8], side_px: int) -> tuple[slice, slice]:
    """Return rows and columns of the window with the strongest gradients in the middle of (H, W, 3) uint8."""
    height_px, width_px = image.shape[:2]
    grey = image.astype(np.float32).mean(axis=2)
    vertical, horizontal = np.gradient(grey)
    crop_height_px, crop_width_px = min(side_px, height_px), min(side_px, width_px)
    energy = uniform_filter(np.hypot(vertical, horizontal), size=(crop_height_px, crop_width_px))
    tops = _starts(height_px, crop_height_px)
    lefts = _starts(width_px, crop_width_px)
    # The filtered value at a window's centre is the mean over that window.
    centres = energy[np.ix_(tops + crop_height_px // 2, lefts + crop_width_px // 2)]
    best_top, best_left = np.unravel_index(int(centres.argmax()), centres.shape)
    top, left = int(tops[best_top]), int(lefts[best_left])
    return slice(top, top + crop_height_px), slice(left, left + crop_width_px)


def _starts(length_px: int, window_px: int) -> NDArray[np.int64]:
    first = min(round(length_px * _MARGIN), (length_px - window_px) // 2)
    last = length_px - window_px - first
    return np.arange(first, last + 1, _STEP_PX)


def _composed(panels: Sequence[tuple[str, NDArray[np.uint8]]], title: str) -> bytes:
    height_px, width_px = panels[0][1].shape[:2]
    panel_px = max(width_px, CROP_PX)
    canvas = Image.new(
        "RGB",
        (len(panels) * (panel_px + _GAP_PX) - _GAP_PX, height_px + 2 * _CAPTION_PX),
        color=(255, 255, 255),
    )
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=_FONT_PX)
    # Pillow's built-in font has no glyphs beyond Latin.
    title = title.encode("ascii", "replace").decode("ascii")
    draw.text((4, 3), title, fill=(0, 0, 0), font=font)
    for index, (caption, image) in enumerate(panels):
        left = index * (panel_px + _GAP_PX)
        draw.text((left + 4, _CAPTION_PX + 3), caption, fill=(0, 0, 0), font=font)
        canvas.paste(Image.fromarray(np.ascontiguousarray(image)), (left, 2 * _CAPTION_PX))
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
