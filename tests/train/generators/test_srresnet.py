"""SRResNet and the networks without batch normalisation that it becomes by its options."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from facesr_train.discriminators.vgg import VggConfig, VggDiscriminator
from facesr_train.generators.upsampling import bilinear
from facesr_train.losses.adversarial import GAMES

PLAIN = {"batch_norm": False, "activation": "leaky-relu", "skip": "bilinear"}


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_slopes_for_each_channel_add_63_to_every_rectifier(full_size):
    more = count(full_size("srresnet", activation="prelu-per-channel")) - count(full_size("srresnet"))
    assert more == 18 * 63


def test_the_plain_kind_has_no_normalisation_and_no_slopes(full_size):
    network = full_size("srresnet", **PLAIN)
    assert not any(isinstance(module, nn.BatchNorm2d | nn.PReLU) for module in network.modules())
    assert count(full_size("srresnet")) - count(network) == 33 * 128 + 18


def test_a_last_tanh_keeps_the_picture_in_range(build, pictures):
    network = build("srresnet", channels=4, blocks=1, final_tanh=True).double()
    network.tail.weight.data.mul_(1000)
    output = network(pictures(8, 8)).detach()
    assert 0 <= float(output.min()) < 0.01 and 0.99 < float(output.max()) <= 1
    with pytest.raises(ValueError, match="final_tanh"):
        build("srresnet", final_tanh=True, skip="bilinear")


def test_statistics_move_in_training_and_are_fixed_in_evaluation(build, pictures):
    network = build("srresnet", channels=4, blocks=1).double()

    def statistics():
        return {key: value.clone() for key, value in network.named_buffers()}

    before = statistics()
    network(pictures(24, 24, 2))
    trained = statistics()
    assert all(not torch.equal(before[key], trained[key]) for key in before)
    network.eval()(pictures(24, 24, 2))
    assert all(torch.equal(trained[key], value) for key, value in statistics().items())


@pytest.mark.parametrize(("options", "expected"), [({}, 0.5), (PLAIN, None)])
def test_an_empty_network_gives_grey_or_the_added_image(build, pictures, options, expected):
    network = build("srresnet", channels=4, blocks=1, **options).double()
    nn.init.zeros_(network.tail.weight)
    image = pictures(6, 8)
    wanted = bilinear(image) if expected is None else torch.full((1, 3, 12, 16), expected).double()
    torch.testing.assert_close(network(image), wanted, rtol=0, atol=1e-12)


def test_the_plain_kind_starts_near_the_added_image(build, pictures):
    image = pictures(24, 24)
    with torch.no_grad():
        difference = build("srresnet", channels=16, blocks=16, **PLAIN).double()(image) - bilinear(image)
    assert float(difference.std()) < 0.1


def test_the_game_teaches_the_first_convolution(build):
    """Through the discriminator and all of the network, normalisation included."""
    generator = build("srresnet", channels=4, blocks=1)
    judge = VggDiscriminator(VggConfig(channels=2, crop_px=64))
    fake = generator(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    GAMES["bce"].generator(judge(torch.rand(2, 3, 64, 64)), judge(fake)).backward()
    gradient = generator.head[0].weight.grad
    assert torch.isfinite(gradient).all() and float(gradient.abs().max()) > 0


@pytest.mark.parametrize("options", [{}, PLAIN])
def test_one_patch_can_be_learnt_by_heart(build, portrait, options):
    high = torch.from_numpy(portrait[180:228, 220:268]).permute(2, 0, 1)[None] / 255
    low = F.avg_pool2d(high, 2)
    network = build("srresnet", channels=32, blocks=4, **options)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(300):
        loss = F.mse_loss(network(low), high)
        if float(loss.detach()) < 10**-3.5:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 10**-3.5, "35 dB"


def test_the_last_convolution_keeps_float32_under_autocast(build):
    network = build("srresnet", channels=4, blocks=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(torch.rand(1, 3, 8, 8)).dtype == torch.float32
