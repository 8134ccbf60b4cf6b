"""The two edge losses: what they see, what they leave alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from facesr_train.losses.edges import (
    EdgeMapConfig,
    EdgeMapLoss,
    EdgeMaskConfig,
    EdgeMaskLoss,
    canny_edges,
    edge_mask,
)

MASK = EdgeMaskConfig()


def step_picture(side: int = 32) -> torch.Tensor:
    """Dark to the left, bright to the right, as a camera sees it: one column lies between."""
    picture = torch.full((1, 3, side, side), 0.2)
    picture[..., side // 2 :] = 0.8
    picture[..., side // 2] = 0.6
    return picture


@pytest.fixture
def crop(portrait) -> torch.Tensor:
    """Eye and hair of the astronaut, (1, 3, 64, 64)."""
    return torch.from_numpy(portrait[80:144, 192:256].copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("loss", [EdgeMaskLoss(MASK), EdgeMapLoss(EdgeMapConfig())])
def test_equal_pictures_cost_nothing(loss, crop):
    assert float(loss(crop, crop)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_an_even_picture_has_no_edges(level):
    even = torch.full((2, 3, 32, 32), level)
    assert float(edge_mask(even, MASK).sum()) == 0
    assert float(EdgeMaskLoss(MASK)(even + 0.1, even)) == 0


def test_a_step_is_one_connected_line():
    edges = canny_edges(step_picture(), MASK)[0, 0]
    rows = edges[2:-2]
    assert bool((rows.sum(1) == 1).all()), "one pixel in every row"
    columns = rows.argmax(1)
    assert int((columns[1:] - columns[:-1]).abs().max()) <= 1
    assert bool(((columns - 15.5).abs() <= 1).all())
    assert bool((edge_mask(step_picture(), MASK)[0, 0, 2:-2].sum(1) == 3).all())


def test_both_sides_of_an_even_step_are_its_edge():
    """Two levels and nothing between: the gradient is the same on both sides, and neither is the larger."""
    rows = canny_edges((step_picture() > 0.5).float(), MASK)[0, 0, 2:-2]
    assert bool((rows[:, 15:17] == 1).all()) and float(rows.sum()) == 2 * len(rows)


def test_fixed_thresholds_take_steps_by_their_height():
    faint, plain = step_picture() * 0.05, step_picture()
    fixed = EdgeMaskConfig(thresholds="fixed", low=0.1, high=0.2)
    assert torch.equal(canny_edges(plain, fixed), canny_edges(plain, MASK))
    assert float(canny_edges(faint, fixed).sum()) == 0 < float(canny_edges(faint, MASK).sum())


def test_the_mask_is_a_constant_of_the_original(crop):
    first, second = edge_mask(crop, MASK), edge_mask(crop, MASK)
    assert torch.equal(first, second) and first.dtype == crop.dtype
    assert 0 < float(first.mean()) < 0.7
    target = crop.clone().requires_grad_()
    EdgeMaskLoss(MASK)((crop + 0.1).requires_grad_(), target).backward()
    assert target.grad is None or float(target.grad.abs().sum()) >= 0
    assert not edge_mask(target, MASK).requires_grad


def test_an_error_on_edges_costs_more():
    target = step_picture()
    mask = edge_mask(target, MASK)
    on, beside = target + 0.1 * mask, target + 0.1 * mask.roll(8, dims=3)
    weight = 1.0

    def total(output):
        return float(F.mse_loss(output, target) + weight * EdgeMaskLoss(MASK)(output, target))

    pixels, edges = mask.numel(), float(mask.sum())
    assert total(on) / total(beside) > 1 + weight * pixels / edges * 0.9


def test_the_mask_error_by_hand():
    target = step_picture()
    edges = float(edge_mask(target, MASK).sum())
    error = float(EdgeMaskLoss(MASK)(target + 0.1, target))
    assert error == pytest.approx(0.01 * edges / (edges + 1), rel=1e-4)


def test_the_map_is_soft_and_differentiable(crop):
    loss = EdgeMapLoss(EdgeMapConfig())
    found = loss.edge_map(step_picture())
    assert bool(((found > 0) & (found < 1)).all())
    assert float(found[..., 15:17].min()) > 0.9 and float(found[..., :8].max()) < 0.1
    output = F.avg_pool2d(crop, 3, 1, 1).requires_grad_()
    cost = loss(output, crop)
    cost.backward()
    assert float(cost.detach()) > 0.01 and float(output.grad.abs().sum()) > 0
    assert float(loss(crop + 0.2, crop)) == pytest.approx(0, abs=1e-6), "brightness is no edge"


def test_the_map_is_in_units_of_the_step():
    """Without blur, a step of 0.6 has a gradient of 0.6 on both of its sides."""
    strength = 0.5 * torch.logit(
        EdgeMapLoss(EdgeMapConfig(sigma_px=0.1, softness=0.5)).edge_map(step_picture())
    )
    assert float(strength[0, 0, 16, 16]) + 0.1 == pytest.approx(math.hypot(0.6, 1e-3), abs=1e-3)


def edge_psnr(weight: float, seed: int, blurred: torch.Tensor, target: torch.Tensor) -> float:
    """PSNR on the edges after a few steps of one small convolution."""
    torch.manual_seed(seed)
    network = nn.Conv2d(3, 3, 5, padding=2, padding_mode="replicate")
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    loss, mask = EdgeMaskLoss(MASK), edge_mask(target, MASK)
    for _ in range(40):
        output = network(blurred)
        optimiser.zero_grad()
        (F.mse_loss(output, target) + weight * loss(output, target)).backward()
        optimiser.step()
    squared = (network(blurred).detach() - target).square().mean(1, keepdim=True)
    return -10 * math.log10(float((mask * squared).sum() / mask.sum()))


def test_training_with_it_repairs_edges(crop):
    crop = crop[..., :48, :48]
    blurred = F.avg_pool2d(crop, 5, 1, 2, count_include_pad=False)
    gains = [edge_psnr(1.0, seed, blurred, crop) - edge_psnr(0.0, seed, blurred, crop) for seed in range(3)]
    assert sum(gains) / 3 > 0


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (EdgeMaskConfig, {"low": 0.9, "high": 0.8}),
        (EdgeMaskConfig, {"high": 1.0}),
        (EdgeMapConfig, {"softness": 0.0}),
    ],
)
def test_bad_options_are_refused(config, options):
    with pytest.raises(ValueError, match="edge-"):
        config(**options)
