"""The frequency domain perceptual loss against scipy's DCT and plain loops."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from facesr_train.losses.fdpl import (
    JPEG_LUMINANCE,
    RELATIVE_CHANGES,
    FdplConfig,
    FdplLoss,
    dct_kernels,
    fdpl_weights,
    relative_change,
)
from facesr_train.losses.luma import WEIGHTS


def made(weights: torch.Tensor | None = None, **options) -> FdplLoss:
    loss = FdplLoss(FdplConfig(**options)).double()
    if weights is not None:
        loss.weights = weights.double()
    return loss


def pictures(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, *shape, generator=random, dtype=torch.float64)
    return first, second


def by_scipy(difference: np.ndarray, weights: np.ndarray) -> float:
    """Mean over blocks of the weighted sum, for (H, W)."""
    height, width = (side // 8 * 8 for side in difference.shape)
    blocks = difference[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
    return float((weights * dctn(blocks, axes=(2, 3), norm="ortho") ** 2).sum((2, 3)).mean())


def test_equal_pictures_cost_nothing():
    picture, _ = pictures(2, 3, 16, 24)
    assert float(made()(picture, picture)) == 0


def test_kernels_are_the_orthonormal_dct():
    block = np.random.default_rng(0).random((8, 8))
    ours = torch.nn.functional.conv2d(torch.from_numpy(block)[None, None], dct_kernels()).reshape(8, 8)
    np.testing.assert_allclose(ours.numpy(), dctn(block, norm="ortho"), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_weighted_sum_of_scipys_dct(dtype):
    output, target = (picture.to(dtype) for picture in pictures(1, 3, 19, 24))
    loss = FdplLoss(FdplConfig())
    difference = np.tensordot((output - target)[0].numpy(), np.array(WEIGHTS), axes=(0, 0))
    expected = by_scipy(difference, loss.weights.numpy())
    assert float(loss(output, target)) == pytest.approx(expected, rel=1e-5)


def test_rgb_is_the_mean_of_the_channels():
    output, target = pictures(2, 3, 16, 16)
    loss = made(colours="rgb")
    each = [by_scipy(one.numpy(), loss.weights.numpy()) for one in (output - target).flatten(0, 1)]
    assert float(loss(output, target)) == pytest.approx(np.mean(each))


def test_even_weights_give_the_squared_difference():
    """Parseval."""
    output, target = pictures(2, 3, 16, 24)
    loss = made(torch.ones(8, 8), colours="rgb")
    assert float(loss(output, target)) == pytest.approx(
        64 * float((output - target).square().mean()), rel=1e-9
    )


def test_an_offset_costs_the_weight_of_the_mean_alone():
    picture, _ = pictures(1, 3, 16, 16)
    loss = made()
    assert float(loss(picture + 0.1, picture)) == pytest.approx(float(loss.weights[0, 0]) * 64 * 0.1**2)


def test_it_is_linear_in_the_weights():
    output, target = pictures(1, 3, 16, 16)
    one, other = torch.rand(2, 8, 8, dtype=torch.float64)
    both = made(2 * one + other)(output, target)
    torch.testing.assert_close(both, 2 * made(one)(output, target) + made(other)(output, target))


def test_gradient():
    output, target = pictures(1, 3, 8, 8)
    assert torch.autograd.gradcheck(lambda x: made()(x, target), (output.requires_grad_(),))


def test_a_random_phase_moves_the_blocks():
    """An error that is even within the blocks of a fixed grid is a step within those of another."""
    torch.manual_seed(0)
    picture, _ = pictures(1, 3, 32, 32)
    output = picture.clone()
    output[..., 16:] += 0.1
    loss = made(random_phase=True)
    costs = {round(float(loss(output, picture)), 9) for _ in range(40)}
    assert len(costs) > 4 and min(costs) == pytest.approx(float(made()(output, picture)), rel=0.4)


@pytest.mark.parametrize("degradation", RELATIVE_CHANGES)
def test_weights_are_the_change_over_jpegs_table(degradation):
    table = np.array(RELATIVE_CHANGES[degradation])
    weights = made(degradation=degradation).weights
    np.testing.assert_allclose(weights.numpy(), table / np.array(JPEG_LUMINANCE))
    assert table.shape == (8, 8) and table.min() > 0 and table.max() < 2
    assert table[0, 0] == table.min(), "a reduction keeps the mean of a block best"


def test_the_relative_change_is_that_of_a_slow_loop():
    pairs = [pictures(16, 24), pictures(8, 19)]
    changes = []
    for original, restored in pairs:
        for top in range(0, original.shape[0] - 7, 8):
            for left in range(0, original.shape[1] - 7, 8):
                a, b = (
                    dctn(one[top : top + 8, left : left + 8].numpy(), norm="ortho")
                    for one in (original, restored)
                )
                changes.append(np.abs(a - b) / ((np.abs(a) + np.abs(b)) / 2 + 1e-13))
    table = relative_change(pairs)
    np.testing.assert_allclose(table.numpy(), np.mean(changes, axis=0))
    torch.testing.assert_close(
        fdpl_weights(table)[2, 5], table[2, 5] / 57, msg="row 2, column 5 of JPEG's table"
    )


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="no blocks"):
        relative_change([])
    with pytest.raises(ValueError, match="a copy of"):
        relative_change([(torch.rand(8, 8), torch.rand(8, 16))])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degradation": "real"}, "there are paper, bicubic"),
        ({"colours": "yuv"}, "there are luma"),
        ({"random_phase": 1}, "true or false"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FdplConfig(**options)


def test_the_options_survive_a_recipe(recipe):
    from facesr_train.recipe import recipe_from_dict

    values = recipe.to_dict()
    values["loss"].append({"kind": "fdpl", "random_phase": True, "weight": 2.0})
    read = recipe_from_dict(values)
    assert read.losses[-1].config == dataclasses.replace(FdplConfig(), random_phase=True)
    assert recipe_from_dict(read.to_dict()) == read
