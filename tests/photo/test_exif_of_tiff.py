"""Tags of a TIFF that are left out or turned on the way to the new picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from facesr_cli.photo import FileFormat, decode, fit_to_format
from facesr_cli.photo.exif import read_exif


def test_layers_and_geography_are_left_out_and_said(tmp_path: Path) -> None:
    layers, scale = b"Adobe Photoshop Document Data Block\0" * 3000, (1.0, 1.0, 0.0)
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.zeros((8, 8, 3), dtype=np.uint8),
        photometric="rgb",
        extratags=[
            (37724, 7, len(layers), layers, True),
            (33550, 12, 3, scale, True),
            (315, 2, 4, "Ann", True),
        ],
    )
    photo = decode(tmp_path / "a.tif")
    assert photo.notes == ("layers are not kept", "the geographic position of pixels (GeoTIFF) is not kept")
    assert fit_to_format(photo, FileFormat.JPEG).notes == photo.notes
    assert photo.exif is not None and set(read_exif(photo.exif).main.entries) >= {274, 315}
    assert not {37724, 33550}.intersection(read_exif(photo.exif).main.entries)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_resolution_of_a_tiff_turns_with_it(
    tmp_path: Path, orientation: int, planes: str, dtype: type
) -> None:
    pixels = np.zeros((4, 8, 3), dtype=dtype)
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(pixels, 2, 0) if planes == "separate" else pixels,
        photometric="rgb",
        planarconfig=planes,
        resolution=(300, 150),
        extratags=[(274, 3, 1, orientation, True)],
    )
    photo = decode(tmp_path / "a.tif")
    turned = orientation == 6
    assert photo.size == ((4, 8) if turned else (8, 4))
    assert photo.dpi == ((150, 300) if turned else (300, 150))
    assert photo.exif is not None
    exif = read_exif(photo.exif)
    assert (exif.rational(282), exif.rational(283), exif.number(274)) == (*photo.dpi, 1)
