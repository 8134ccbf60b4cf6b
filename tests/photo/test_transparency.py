"""Alpha: colours below transparent pixels, and pictures that are composed on white."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from facesr_cli.batch.stages import enlarged
from facesr_cli.photo import FileFormat, Photo, bleed, encode
from facesr_cli.photo.profile import to_srgb


def _disc(dtype: type = np.uint8, size: int = 41) -> Photo:
    """A light disc, opaque, on black that is transparent."""
    rows, columns = np.mgrid[0:size, 0:size]
    inside = (rows - size / 2) ** 2 + (columns - size / 2) ** 2 < (size / 3) ** 2
    high = np.iinfo(dtype).max
    pixels = np.where(inside[:, :, np.newaxis], np.array([200, 180, 160]) * (high // 255), 0).astype(dtype)
    return Photo(pixels=pixels, alpha=np.where(inside, high, 0).astype(dtype), format="PNG")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_hidden_pixels_take_the_colour_of_their_neighbours(dtype: type) -> None:
    photo = _disc(dtype)
    spread = bleed(photo)
    assert spread.pixels.dtype == dtype
    unit = np.iinfo(dtype).max // 255
    assert np.abs(spread.pixels.astype(int) - np.array([200, 180, 160]) * unit).max() <= 1
    visible = photo.alpha > 0
    assert np.array_equal(spread.pixels[visible], photo.pixels[visible])
    assert spread.alpha is photo.alpha


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (2, 64)])
def test_sizes_that_cannot_be_halved(shape: tuple[int, int]) -> None:
    alpha = np.zeros(shape, dtype=np.uint8)
    pixels = np.full((*shape, 3), 9, dtype=np.uint8)
    assert bleed(Photo(pixels=pixels, alpha=alpha, format="PNG")).pixels is pixels, "nothing is visible"
    alpha[0, 0], pixels[0, 0] = 1, 77
    spread = bleed(Photo(pixels=pixels, alpha=alpha, format="PNG"))
    assert spread.pixels.shape == (*shape, 3)
    assert np.all(spread.pixels == 77)


def test_edges_do_not_fringe() -> None:
    """Seen on the colour of the disc itself, an enlarged disc must be invisible: any fringe would show."""
    photo = bleed(_disc())
    large = Image.fromarray(photo.pixels).resize((82, 82), Image.Resampling.BICUBIC)
    larger = enlarged(photo, np.asarray(large))
    opacity = larger.alpha[:, :, np.newaxis] / 255
    seen = larger.pixels * opacity + np.array([200, 180, 160]) * (1 - opacity)
    assert np.abs(seen - [200, 180, 160]).max() <= 1


def test_exact_colours_are_not_restored_where_nothing_is_seen(display_p3: bytes) -> None:
    photo = _disc()
    photo.pixels[photo.alpha == 0] = (255, 0, 0)  # outside of sRGB, and never seen
    pixels, residual = to_srgb(photo.pixels, display_p3)
    spread = bleed(replace(photo, pixels=pixels, residual=residual, icc_profile=display_p3))
    assert not spread.residual[photo.alpha == 0].any()


def test_jpeg_is_composed_on_the_white_of_its_profile(display_p3: bytes) -> None:
    alpha = np.full((16, 16), 255, dtype=np.uint8)
    alpha[:, 8:] = 0
    source = np.full((16, 16, 3), (255, 0, 0), dtype=np.uint8)
    pixels, residual = to_srgb(source, display_p3)
    photo = Photo(pixels=pixels, residual=residual, alpha=alpha, icc_profile=display_p3, format="PNG")
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.JPEG, quality=100))) as image:
        seen = np.asarray(image).astype(int)
    assert np.abs(seen[:, :6] - [255, 0, 0]).max() <= 3
    assert seen[:, 10:].min() >= 252
