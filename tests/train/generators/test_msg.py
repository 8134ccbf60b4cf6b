"""MSG: three pictures of one trunk, and a branch for features of a pretrained network."""

from __future__ import annotations

import pytest
import torch
from torch import nn


def test_three_sizes_within_the_range_of_tanh(build, pictures):
    outputs = build("msg", channels=4).double()(pictures(16, 24), every=True)
    assert [tuple(outputs[name].shape[2:]) for name in ("image", "half", "quarter")] == [
        *((32, 48), (16, 24), (8, 12)),
    ]
    assert all(bool(((output > 0) & (output < 1)).all()) for output in outputs.values())


def test_full_size_on_a_crop_of_64(full_size):
    outputs = full_size("msg").eval()(torch.empty(1, 3, 64, 64, device="meta"), every=True)
    assert [output.shape[-1] for output in outputs.values()] == [128, 64, 32]


def test_smaller_targets_are_means_of_the_original(build, pictures):
    targets = build("msg", channels=4).targets(pictures(16, 16))
    torch.testing.assert_close(targets["half"][..., 0, 0], pictures(16, 16)[..., :2, :2].mean((2, 3)))
    torch.testing.assert_close(targets["quarter"][..., 0, 0], pictures(16, 16)[..., :4, :4].mean((2, 3)))


def test_features_of_lite0_by_name(build, pictures, monkeypatch):
    from facesr_train.external.lite0 import Lite0
    from facesr_train.generators import msg

    monkeypatch.setattr(msg.Lite0, "build", lambda: Lite0())
    network = build("msg", channels=4, features="lite0-stage2")
    plain = build("msg", channels=4)
    assert network(pictures(8, 12).float()).shape == plain(pictures(8, 12).float()).shape == (1, 3, 16, 24)
    assert network.adapt.in_channels == 24
    assert len(network.features.stages) == 2, "no more than what is used goes into the file"
    assert not any(parameter.requires_grad for parameter in network.features.parameters())
    with pytest.raises(ValueError, match="features"):
        build("msg", features="vgg19")


def test_pretrained_features_are_used_and_stay_as_they_are(build, pictures):
    from facesr_train.generators.msg import MSGConfig, MSGNet

    features = nn.Sequential(nn.Conv2d(3, 6, 4, stride=4), nn.BatchNorm2d(6))
    network = MSGNet(MSGConfig(channels=4), features=features, feature_channels=6).double().train()
    before = {key: value.clone() for key, value in features.state_dict().items()}
    network(pictures(8, 8, 2)).mean().backward()
    assert all(parameter.grad is None for parameter in features.parameters())
    assert all(torch.equal(before[key], value) for key, value in features.state_dict().items())
    assert bool(network.adapt.weight.grad.abs().sum() > 0)
    assert network.halo is None, "their reach is not known"
    with pytest.raises(ValueError, match="belong together"):
        MSGNet(MSGConfig(channels=4), features=features)
