from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from facesr_cli.bench.degradations import bicubic
from facesr_cli.bench.ground_truth import GIVEN, Preparation, low_resolution, read_ground_truth, read_pixels
from facesr_cli.bench.pairs import Sample
from facesr_cli.errors import UnreadablePhotoError


def saved(folder, name, pixels):
    path = folder / name
    Image.fromarray(pixels).save(path)
    return path


def test_square_and_small_enough_is_left_alone(face):
    np.testing.assert_array_equal(Preparation().apply(face), face)
    np.testing.assert_array_equal(Preparation(square_px=96).apply(face), face)


def test_larger_is_reduced_with_lanczos(face):
    expected = np.asarray(Image.fromarray(face).resize((64, 64), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(Preparation(square_px=64).apply(face), expected)


def test_oblong_is_cropped_from_its_centre_and_never_enlarged(face):
    np.testing.assert_array_equal(Preparation().apply(face[:, :60]), face[18:78, :60])


def test_steps_can_be_switched_off(face):
    np.testing.assert_array_equal(Preparation(square_px=None).apply(face[:61, :]), face[:60, :])
    with pytest.raises(ValueError, match="square_px"):
        Preparation(square_px=4)


def test_sixteen_bits_are_rounded(tmp_path):
    values = np.full((20, 20), 257 * 100 + 129, np.uint16)
    pixels = read_pixels(saved(tmp_path, "deep.png", values))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (20, 20, 3)
    assert (pixels == 101).all()


def test_tiny_photographs_are_refused_by_name(tmp_path):
    path = saved(tmp_path, "tiny.png", np.zeros((8, 40, 3), np.uint8))
    with pytest.raises(UnreadablePhotoError, match=r"tiny\.png"):
        read_pixels(path)


def test_degradation_of_an_original(tmp_path, face):
    sample = Sample(file="a.png", high=saved(tmp_path, "a.png", face), low=None)
    truth = read_ground_truth(sample, Preparation())
    np.testing.assert_array_equal(low_resolution(sample, truth, "bicubic", scale=2), bicubic(face))


def test_given_pair_is_taken_as_it_is(tmp_path, face):
    low = saved(tmp_path, "low.png", face[:24, :25])
    sample = Sample(file="a.png", high=saved(tmp_path, "a.png", face[:48, :50]), low=low)
    truth = read_ground_truth(sample, Preparation(square_px=16))
    assert truth.shape == (48, 50, 3)
    np.testing.assert_array_equal(low_resolution(sample, truth, GIVEN, scale=2), face[:24, :25])


def test_given_pair_of_the_wrong_ratio(tmp_path, face):
    low = saved(tmp_path, "low.png", face[:24, :24])
    sample = Sample(file="a.png", high=saved(tmp_path, "a.png", face[:48, :49]), low=low)
    truth = read_ground_truth(sample, Preparation())
    with pytest.raises(UnreadablePhotoError, match="24x24.*49x48.*exactly 2 times") as caught:
        low_resolution(sample, truth, GIVEN, scale=2)
    assert caught.value.reason == "size-mismatch"
