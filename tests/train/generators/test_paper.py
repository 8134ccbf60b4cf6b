"""The paper's generator: layers as in the text, and a number that stays in its bounds."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from facesr_train.generators.folding import folded
from facesr_train.generators.paper import BOUNDED, PaperConfig, PaperNet
from facesr_train.generators.upsampling import bilinear


def test_shapes_of_the_canonical_reading():
    seen = []
    with FakeTensorMode():  # computes shapes only
        network = PaperNet(PaperConfig())
        for layer in (network.head, *network.body, *network.tail, network.last):
            layer.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape[1:])))
        assert network(torch.empty(1, 3, 512, 512)).shape == (1, 3, 1024, 1024)
    assert seen == [
        *((64, 256, 256), (64, 256, 256), (128, 256, 256), (256, 256, 256)),
        *((64, 512, 512), (32, 512, 512), (12, 512, 512)),
    ]


@pytest.mark.parametrize("scale_param", ["clamp", "sigmoid"])
@pytest.mark.parametrize("scale_init", [0.3, 0.5])
def test_without_the_main_path_the_scaled_residual_is_left(build, pictures, scale_param, scale_init):
    network = build("paper", widths=(4, 8), scale_param=scale_param, scale_init=scale_init).double()
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.zero_()
        image = pictures(8, 6)
        output = network.colours(network(image))
    expected = scale_init * bilinear(network.colours(image))
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6)


def test_a_convex_blend_keeps_what_both_paths_agree_on(build, pictures):
    network = build("paper", widths=(4, 8), blend="convex").double()
    image = pictures(8, 6)
    network.main = bilinear
    with torch.no_grad():
        torch.testing.assert_close(network(image), bilinear(image), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale_param", ["clamp", "sigmoid"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_number_never_leaves_its_bounds_and_can_return(scale_param, sign):
    bounded = BOUNDED[scale_param](0.5, (1, 1, 1, 1))
    optimiser = torch.optim.SGD(bounded.parameters(), lr=1.0)

    def step(sign):
        optimiser.zero_grad()
        (sign * bounded().sum()).backward()
        optimiser.step()
        assert 0.2 - 1e-6 <= float(bounded().detach()) <= 0.8 + 1e-6

    for _ in range(100):
        step(sign)
    end = float(bounded().detach())
    assert end == pytest.approx(0.2 if sign > 0 else 0.8, abs=0.05)
    for _ in range(3):
        step(-sign)
    assert abs(float(bounded().detach()) - end) > 1e-4


@pytest.mark.parametrize(("start", "inwards"), [(0.9, 1.0), (0.1, -1.0)])
def test_outside_its_bounds_only_the_way_back_has_a_gradient(start, inwards):
    bounded = BOUNDED["clamp"](start, (1, 1, 1, 1))
    for sign, expected in ((inwards, inwards), (-inwards, 0.0)):
        bounded.raw.grad = None
        (sign * bounded().sum()).backward()
        assert float(bounded.raw.grad) == expected


@pytest.mark.parametrize("scale_param", ["clamp", "sigmoid"])
def test_folding_makes_the_number_a_constant(build, pictures, scale_param):
    network = build("paper", widths=(4, 8), scale_param=scale_param, scale_per_channel=True).double()
    with torch.no_grad():
        network.strength.raw.copy_(torch.tensor([-1.0, 0.4, 3.0]).view(1, 3, 1, 1))
    plain = folded(network)
    assert "strength.raw" in network.state_dict(), "the network stays as it is"
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in network.parameters()) - 3
    with torch.no_grad():
        assert torch.equal(plain(pictures(4, 6)), network(pictures(4, 6)))
