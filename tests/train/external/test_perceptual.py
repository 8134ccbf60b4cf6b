from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from facesr_train.losses.features import unit_distance
from facesr_train.losses.perceptual import (
    PerceptualConfig,
    PerceptualLoss,
    PlipsConfig,
    PlipsLoss,
    plips_lite0,
)

NOISE = (0.01, 0.03, 0.1)
"""Standard deviations."""
ALL_STAGES = {f"stage{index}": 1.0 for index in range(1, 6)}


class Identity(nn.Module):
    """Stages that are the picture itself, times 1, 2, 3, ..."""

    def forward(self, images, taps):
        return tuple(images * (index + 1) for index in range(taps))


def losses(backbone):
    return [
        PerceptualLoss(PerceptualConfig(), backbone),
        PerceptualLoss(PerceptualConfig(distance="mse", **ALL_STAGES), backbone),
        PlipsLoss(PlipsConfig(), backbone),
    ]


@pytest.fixture(params=range(3), ids=["l1", "mse", "plips"])
def loss(request, small_stages):
    return losses(small_stages)[request.param]


@pytest.fixture
def pictures():
    random = torch.Generator().manual_seed(0)
    return torch.rand(2, 2, 3, 64, 64, generator=random).unbind()


def test_equal_pictures_cost_nothing(loss, pictures):
    assert float(loss(pictures[0], pictures[0].clone())) == 0


def test_only_the_output_has_a_gradient(loss, pictures):
    output, target = (picture.clone().requires_grad_() for picture in pictures)
    value = loss(output, target)
    assert value.shape == ()
    assert value > 0
    value.backward()
    assert torch.isfinite(output.grad).all()
    assert (output.grad.abs().sum((1, 2, 3)) > 0).all()
    assert target.grad is None


def test_a_step_leaves_the_network_as_it_was(loss, pictures):
    before = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
    output = pictures[0].clone().requires_grad_()
    optimiser = torch.optim.Adam([output])
    loss.train()(output, pictures[1]).backward()
    optimiser.step()
    assert not torch.equal(output, pictures[0])
    assert all(torch.equal(tensor, before[name]) for name, tensor in loss.state_dict().items())
    assert not any(parameter.requires_grad for parameter in loss.parameters())


def test_autocast_gives_float32(loss, pictures):
    output = pictures[0].clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(output, pictures[1])
        assert float(loss(pictures[0], pictures[0])) == 0
    assert value.dtype == torch.float32
    assert float(value.detach()) == pytest.approx(float(loss(*pictures)), rel=0.1)
    value.backward()
    assert torch.isfinite(output.grad).all()


def test_stages_are_weighted():
    output, target = torch.full((1, 3, 4, 4), 0.75), torch.full((1, 3, 4, 4), 0.25)
    config = {"stage1": 2.0, "stage3": 1.0, "stage5": 0.0}
    l1 = PerceptualLoss(PerceptualConfig(**config), Identity())
    mse = PerceptualLoss(PerceptualConfig(distance="mse", **config), Identity())
    assert float(l1(output, target)) == pytest.approx(2 * 0.5 + 3 * 0.5)
    assert float(mse(output, target)) == pytest.approx(2 * 0.25 + 9 * 0.25)
    smooth = PerceptualLoss(PerceptualConfig(distance="charbonnier", **config), Identity())
    assert float(smooth(output, target)) == pytest.approx(float(l1(output, target)), abs=0.003)


@pytest.mark.parametrize(
    "values", [{"distance": "l2"}, {"stage5": 0.0}, {"stage2": -1.0}], ids=["distance", "none", "negative"]
)
def test_contradictions_are_refused(values):
    with pytest.raises(ValueError, match="perceptual"):
        PerceptualConfig(**values)


def test_unit_distance_of_known_vectors():
    a = torch.tensor([3.0, 0.0, 3.0]).reshape(1, 3, 1, 1)
    b = torch.tensor([0.0, 5.0, 0.0]).reshape(1, 3, 1, 1)
    assert float(unit_distance(a, b)) == pytest.approx(2, abs=1e-5)
    assert float(unit_distance(a, -a)) == pytest.approx(4, abs=1e-5)
    assert float(unit_distance(a, 10 * a)) == pytest.approx(0, abs=1e-5)


def test_places_without_features_have_a_finite_gradient():
    nothing = torch.zeros(1, 3, 2, 2, requires_grad=True)
    unit_distance(nothing, torch.ones(1, 3, 2, 2)).sum().backward()
    assert torch.isfinite(nothing.grad).all()


def test_plips_is_per_picture_and_symmetric(small_stages, pictures):
    distance = plips_lite0(small_stages, *pictures)
    assert distance.shape == (2,)
    assert torch.equal(distance, plips_lite0(small_stages, *pictures[::-1]))


@torch.no_grad()
def test_trained_weights_see_more_blur_as_more_distance(lite0, astronaut):
    distances = [0.0]
    for factor in (2, 3, 4, 6, 8):
        size = (512 // factor, 512 // factor)
        small = F.interpolate(astronaut, size, mode="bicubic", antialias=True)
        blurred = F.interpolate(small, (512, 512), mode="bicubic")
        distances.append(float(plips_lite0(lite0, blurred, astronaut)))
    assert distances == sorted(set(distances))
    assert 0.4 < distances[1] < 1.2


@torch.no_grad()
def test_trained_weights_see_more_noise_as_more_distance(lite0, astronaut):
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(astronaut.shape, generator=random)
    distances = [float(plips_lite0(lite0, astronaut + deviation * noise, astronaut)) for deviation in NOISE]
    assert distances == sorted(set(distances))


def test_trained_weights_have_a_gradient(lite0, astronaut):
    target = astronaut[:, :, 64:192, 160:288]
    output = F.avg_pool2d(target, 3, 1, 1).requires_grad_()
    for loss in losses(lite0):
        (gradient,) = torch.autograd.grad(loss(output, target), output)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().mean() > 0
