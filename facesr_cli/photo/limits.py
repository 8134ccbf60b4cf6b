"""How many pixels a photograph may have before it is taken for a decompression bomb."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image


@contextmanager
def pixel_limit(max_megapixels: float | None) -> Iterator[None]:
    """Let `decode` and `header_size` refuse, as `too-large`, what has more than `max_megapixels`.

    A context and no argument of `decode`, because Pillow's limit is one number for the whole process: set
    once around all threads that decode, it cannot change under one of them.

    Args:
        max_megapixels: In millions; None keeps Pillow's own limit, 178.9.
    """
    before = Image.MAX_IMAGE_PIXELS
    if max_megapixels is not None:
        # Pillow warns above its limit and refuses above twice of it.
        Image.MAX_IMAGE_PIXELS = max(1, int(max_megapixels * 1e6 / 2))
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
