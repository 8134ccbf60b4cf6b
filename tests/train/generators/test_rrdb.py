"""RRDB x2: the weights of the x4 network fit, and attention starts as nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from facesr_train.generators.attention import EfficientAttention, SqueezeExcitation, kernel_for
from facesr_train.generators.rrdb import from_esrgan

SMALL = {"channels": 16, "growth": 4, "blocks": 2}


def x4_layers(network):
    """Random weights of an x4 network of the same size, as its reader gives them."""
    random = torch.Generator().manual_seed(3)
    layers = {}
    for index, conv in enumerate(m for m in network.modules() if isinstance(m, nn.Conv2d)):
        shape = (conv.out_channels, 3 if index == 0 else conv.in_channels, 3, 3)
        layers[f"Conv_{index}.weight"] = 0.1 * torch.randn(shape, generator=random)
        layers[f"Conv_{index}.bias"] = 0.1 * torch.randn(conv.out_channels, generator=random)
    return layers


def test_full_size_has_the_351_convolutions_of_the_prior(full_size):
    network = full_size("rrdb")
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 351
    values = sum(p.numel() for p in network.parameters())
    assert values - 64 * 9 * 9 == 16_697_987, "of the x4 network, whose first convolution has 3 channels"


@pytest.mark.parametrize("attention", ["none", "eca"])
def test_with_the_weights_of_x4_it_enlarges_the_reduced_picture_four_times(build, pictures, attention):
    network = build("rrdb", **SMALL, attention=attention)
    layers = x4_layers(network)
    network.load_state_dict(from_esrgan(layers, network))
    network = network.double()
    image = pictures(8, 12)
    # The same layers as the x4 network applies them, from the list.
    values = [tensor.double() for tensor in layers.values()]
    pairs = iter(zip(values[::2], values[1::2], strict=True))

    def conv(x):
        return F.conv2d(x, *next(pairs), padding=1)

    def leaky(x):
        return F.leaky_relu(x, 0.2)

    shallow = x = conv(F.avg_pool2d(image, 2))
    for _ in range(SMALL["blocks"]):
        outer = x
        for _ in range(3):
            dense = [x]
            for _ in range(4):
                dense.append(leaky(conv(torch.cat(dense, 1))))
            x = x + 0.2 * conv(torch.cat(dense, 1))
        x = outer + 0.2 * (x)
    x = shallow + conv(x)
    for _ in range(2):
        x = leaky(conv(x.repeat_interleave(2, 2).repeat_interleave(2, 3)))
    expected = conv(leaky(conv(x)))
    with torch.no_grad():
        torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-9)


def test_layers_that_do_not_fit_are_refused(build):
    network = build("rrdb", **SMALL)
    layers = x4_layers(network)
    with pytest.raises(ValueError, match=r"36 convolutions are needed for 2 blocks, but there are 35"):
        from_esrgan(list(layers.values())[:-2], network)
    with pytest.raises(ValueError, match=r"body.1.blocks.2.convs.4.weight is"):
        from_esrgan(layers | {"Conv_30.weight": torch.zeros(16, 16, 3, 3)}, network)


@pytest.mark.parametrize(("attention", "added"), [("eca", 207), ("se", 40_020)])
def test_attention_on_69_dense_blocks(full_size, attention, added):
    with_it, without = full_size("rrdb", attention=attention), full_size("rrdb")
    count = sum(p.numel() for p in with_it.parameters()) - sum(p.numel() for p in without.parameters())
    assert count == added


def test_attention_on_all_places(full_size):
    network = full_size("rrdb", attention="se-rrdb+eca-rdb")
    count = sum(p.numel() for p in network.parameters())
    assert count - 16_703_171 == 207 + 23 * 580


@pytest.mark.parametrize("attention", ["eca", "se", "se-rrdb+eca-rdb"])
def test_a_fresh_doubled_gate_changes_nothing(build, pictures, attention):
    plain, gated = build("rrdb", **SMALL).double(), build("rrdb", **SMALL, attention=attention).double()
    missing = gated.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys
    with torch.no_grad():
        torch.testing.assert_close(gated(pictures(8, 8)), plain(pictures(8, 8)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [SqueezeExcitation, EfficientAttention])
def test_factors_are_between_0_and_1_for_each_channel(kind):
    attention = kind(64, "sigmoid")
    factors = attention.factors(torch.randn(2, 64, 5, 7))
    assert factors.shape == (2, 64, 1, 1)
    assert bool(((factors > 0) & (factors < 1)).all())


def test_squeeze_excitation_starts_nearly_open():
    factors = SqueezeExcitation(64, "sigmoid").factors(torch.randn(1, 64, 4, 4))
    torch.testing.assert_close(factors, torch.full_like(factors, 0.98))


def changed_factors(attention, channel):
    """Which factors move when one channel of the input is scaled."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.copy_(0.01 * torch.rand(parameter.shape, generator=random) + 0.01)
        x = torch.rand(1, 64, 4, 4, generator=random) + 0.1
        before = attention.factors(x.double())
        x[:, channel] *= 3
        after = attention.factors(x.double())
    return torch.nonzero((before != after).flatten()).flatten().tolist()


def test_one_channel_moves_all_factors_or_those_of_its_neighbours():
    assert changed_factors(SqueezeExcitation(64, "2sigmoid").double(), 20) == list(range(64))
    assert changed_factors(EfficientAttention(64, "2sigmoid").double(), 20) == [19, 20, 21]


@pytest.mark.parametrize(("channels", "kernel"), [(4, 1), (8, 3), (32, 3), (64, 3), (128, 5), (512, 5)])
def test_kernel_of_efficient_attention(channels, kernel):
    assert kernel_for(channels) == kernel
