"""Large photographs: what is made of them is made in bands, so no second copy of 200 megapixels is held."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from facesr_cli.photo import Photo, encode
from facesr_cli.photo.formats import FileFormat

SIDE_PX = 1200


def _photo(
    dtype: type[np.uint8] | type[np.uint16], profile: bytes | None, *, grey: bool, alpha: bool
) -> Photo:
    """A smooth picture with a residual of half its size, as it is between network and file."""
    top = int(np.iinfo(dtype).max)
    ramp = np.linspace(0, top, SIDE_PX, dtype=np.float32).astype(dtype)
    pixels = np.repeat(np.broadcast_to(ramp, (SIDE_PX, SIDE_PX))[:, :, np.newaxis], 3, axis=2)
    return Photo(
        pixels=pixels,
        alpha=np.ascontiguousarray(pixels[:, :, 0].T) if alpha else None,
        residual=np.ones((SIDE_PX // 2, SIDE_PX // 2, 3), dtype=np.int16) if profile else None,
        icc_profile=profile,
        grey=grey,
        format="PNG",
    )


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("file_format", [FileFormat.PNG, FileFormat.TIFF, FileFormat.JPEG, FileFormat.WEBP])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_encoding_holds_no_second_copy(
    monkeypatch: pytest.MonkeyPatch,
    display_p3: bytes,
    dtype: type[np.uint8] | type[np.uint16],
    file_format: FileFormat,
    tagged: bool,
    alpha: bool,
    grey: bool,
) -> None:
    photo = _photo(dtype, display_p3 if tagged and not grey else None, grey=grey, alpha=alpha)
    monkeypatch.setattr("facesr_cli.photo.tiff._STRIP_BYTES", 60_000)
    expected = encode(photo, file_format=file_format)
    monkeypatch.setattr("facesr_cli.photo.bands.BAND_PIXELS", 30_000)
    monkeypatch.setattr("facesr_cli.photo.tiff.BAND_PIXELS", 30_000)
    monkeypatch.setattr("facesr_cli.photo.png._BAND_BYTES", 180_000)
    tracemalloc.start()
    try:
        data = encode(photo, file_format=file_format)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert data == expected, "bands change nothing"
    # Files are written to memory first. What Pillow holds itself is not counted here.
    assert peak_bytes < 2 * len(data) + 7_000_000
