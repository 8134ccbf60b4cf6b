from __future__ import annotations

import torch
from torch.nn import functional as F

from facesr_train.external.lite0 import CHANNELS, WEIGHTS, Lite0

SPACE_SHUTTLE = 812


def test_the_network_has_all_values_of_the_file():
    assert len(Lite0().state_dict()) == 296
    assert sum(tensor.numel() for tensor in Lite0().state_dict().values()) == WEIGHTS.values == 4_694_073


def test_taps_have_the_stated_shapes_also_at_odd_sizes(random_lite0):
    taps = random_lite0(torch.rand(1, 3, 97, 130))
    sides = [(49, 65), (25, 33), (13, 17), (7, 9), (7, 9)]
    assert [tuple(tap.shape) for tap in taps] == [
        (1, c, *side) for c, side in zip(CHANNELS, sides, strict=True)
    ]


def test_padding_is_that_of_tensorflow():
    # SAME of k = 3, s = 2 begins at the first pixel of an even side, and one before it of an odd side.
    stem = Lite0().stem
    stem.convolution.weight.fill_(0)
    stem.convolution.weight[:, :, 0, 0] = 1
    even, odd = (stem.convolution(padded(stem, side))[0, 0] for side in (4, 5))
    assert even[0, 0] == 3
    assert odd[0, 0] == 0


def padded(stem, side):
    """What the stem's convolution sees of a white picture."""
    seen = []
    handle = stem.convolution.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    stem(torch.ones(1, 3, side, side))
    handle.remove()
    return seen[0]


def test_less_is_computed_where_fewer_taps_are_wanted(random_lite0):
    picture = torch.rand(1, 3, 64, 64)
    two, five = random_lite0(picture, 2), random_lite0(picture)
    assert len(two) == 2
    assert all(torch.equal(a, b) for a, b in zip(two, five, strict=False))


def test_it_stays_frozen():
    network = Lite0().train()
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_trained_weights_know_a_space_shuttle(lite0, astronaut):
    shuttle = F.interpolate(astronaut[:, :, :300, 340:], (224, 224), mode="bilinear", antialias=True)
    probability = lite0.logits(shuttle).softmax(1)[0, SPACE_SHUTTLE]
    assert probability > 0.5
