from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from facesr_train.generators.half_resolution import HalfResolutionConfig, HalfResolutionNet, bicubic_kernels


def test_default_size_is_half_a_million_parameters():
    network = HalfResolutionNet(HalfResolutionConfig())
    assert 450_000 < sum(p.numel() for p in network.parameters()) < 550_000


@pytest.mark.parametrize("size", [(2, 2), (34, 18)])
def test_doubles_even_sizes(size):
    network = HalfResolutionNet(HalfResolutionConfig(channels=8, blocks=1))
    assert network(torch.rand(2, 3, *size)).shape == (2, 3, 2 * size[0], 2 * size[1])


def test_added_upsampling_starts_as_bicubic():
    image = np.random.default_rng(0).random((20, 26), dtype=np.float32)
    padded = F.pad(torch.from_numpy(image).expand(1, 3, -1, -1), (2, 2, 2, 2), mode="replicate")
    ours = F.pixel_shuffle(F.conv2d(padded, bicubic_kernels(), stride=2), 4)[0, 1].numpy()
    pillow = np.asarray(Image.fromarray(image).resize((52, 40), Image.Resampling.BICUBIC))
    # Pillow renormalises its taps at the border, we repeat the edge.
    np.testing.assert_allclose(ours[4:-4, 4:-4], pillow[4:-4, 4:-4], atol=1e-5)


def test_nothing_beyond_the_halo_matters():
    network = HalfResolutionNet(HalfResolutionConfig(channels=8, blocks=2)).double()
    side, place = 80, 40
    image = torch.rand(1, 3, side, side, dtype=torch.float64)
    changed = image.clone()
    outside = torch.ones(side, side, dtype=torch.bool)
    halo = network.halo
    outside[place - halo : place + 2 + halo, place - halo : place + 2 + halo] = False
    changed[..., outside] = torch.rand(1, 3, int(outside.sum()), dtype=torch.float64)
    window = slice(2 * place, 2 * place + 4)
    with torch.no_grad():
        before, after = network(image)[..., window, window], network(changed)[..., window, window]
        inside = changed.clone()
        inside[..., place - halo, place - halo] += 0.5
        nearer = network(inside)[..., window, window]
    assert torch.equal(before, after)
    assert not torch.equal(after, nearer)


def test_sizes_must_be_positive():
    with pytest.raises(ValueError, match="at least 1"):
        HalfResolutionConfig(blocks=0)
