from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from facesr_cli.bench.baselines import BASELINES, REFERENCE_BASELINE, enlarge


@pytest.mark.parametrize(
    ("name", "filter_"),
    [
        ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC),
        ("lanczos", Image.Resampling.LANCZOS),
    ],
)
@pytest.mark.parametrize("scale", [2, 3])
def test_baselines_are_pillows(face, name, filter_, scale):
    low = face[:31, :40]
    expected = np.asarray(Image.fromarray(low).resize((40 * scale, 31 * scale), filter_))
    np.testing.assert_array_equal(enlarge(low, name, scale=scale), expected)


def test_names_and_order():
    assert list(BASELINES) == ["bilinear", "bicubic", "lanczos"]
    assert REFERENCE_BASELINE in BASELINES
