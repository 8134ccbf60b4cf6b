"""Lanczos resizing of alpha and residual planes."""

from __future__ import annotations

import numpy as np
import pytest

from facesr_cli.photo.planes import lanczos


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_flat_planes_stay_flat_in_every_dtype(dtype: type) -> None:
    value = np.iinfo(dtype).min + 5 if dtype is np.int16 else np.iinfo(dtype).max
    plane = np.full((3, 5), value, dtype=dtype)
    larger = lanczos(plane, 10, 6)
    assert larger.shape == (6, 10) and larger.dtype == dtype
    assert np.all(larger == value)


def test_overshoot_is_clipped_not_wrapped() -> None:
    plane = np.zeros((8, 8), dtype=np.uint8)
    plane[:, 4:] = 255
    larger = lanczos(plane, 16, 16)
    assert larger[:, :5].max() < 64 and larger[:, 11:].min() > 192


def test_channels_are_resized_one_by_one() -> None:
    plane = np.stack([np.full((4, 4), value, dtype=np.int16) for value in (-3, 0, 9)], axis=2)
    assert lanczos(plane, 8, 8)[0, 0].tolist() == [-3, 0, 9]
