from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from facesr_train.checkpoint import build_generator
from facesr_train.generators import GENERATORS
from facesr_train.generators.cost import cost
from facesr_train.generators.folding import folded
from facesr_train.generators.half_resolution import HalfResolutionConfig, HalfResolutionNet, bicubic_kernels
from facesr_train.generators.reparameterised import BranchedConv
from facesr_train.recipe import load_recipe

KINDS = sorted(kind for kind in GENERATORS if kind.startswith("half-resolution"))
TWO_SCALE = "half-resolution-two-scale"
ONE_SCALE = [kind for kind in KINDS if kind != TWO_SCALE]


def small(kind: str, blocks: int = 2, channels: int = 8) -> HalfResolutionNet:
    """A network of that kind with few channels, the same at every call."""
    config, network = GENERATORS[kind]
    more = {"coarse_channels": 8, "coarse_blocks": 2, "joins": 1} if kind == TWO_SCALE else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network(config(channels=channels, blocks=blocks, **more))


def trained(network: nn.Module) -> nn.Module:
    """The network with every weight moved off the place where initialisation left it."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=random, dtype=parameter.dtype))
    return network


def test_default_size_is_half_a_million_parameters():
    network = HalfResolutionNet(HalfResolutionConfig())
    assert 450_000 < sum(p.numel() for p in network.parameters()) < 550_000


def test_the_weights_of_face_x2_keep_their_names_and_its_recipe_its_digest():
    """Model files have these names; the digest shows here that the recipe has changed."""
    recipe = load_recipe("face-x2")
    assert recipe.digest == "7fdc2eb892b5"
    plain = folded(build_generator(recipe)).state_dict()
    names = {name for name in plain if "body.0" in name or "body" not in name}
    assert names == {
        *("head.weight", "head.bias", "tail.weight", "tail.bias", "skip.weight"),
        *("body.0.first.weight", "body.0.first.bias", "body.0.second.weight", "body.0.second.bias"),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(2, 2), (34, 18)])
def test_doubles_even_sizes(kind, size):
    network = small(kind, blocks=1)
    height, width = (side * network.multiple // 2 for side in size)
    assert network(torch.rand(2, 3, height, width)).shape == (2, 3, 2 * height, 2 * width)


def test_added_upsampling_starts_as_bicubic():
    image = np.random.default_rng(0).random((20, 26), dtype=np.float32)
    padded = F.pad(torch.from_numpy(image).expand(1, 3, -1, -1), (2, 2, 2, 2), mode="replicate")
    ours = F.pixel_shuffle(F.conv2d(padded, bicubic_kernels(), stride=2), 4)[0, 1].numpy()
    pillow = np.asarray(Image.fromarray(image).resize((52, 40), Image.Resampling.BICUBIC))
    # Pillow renormalises its taps at the border, we repeat the edge.
    np.testing.assert_allclose(ours[4:-4, 4:-4], pillow[4:-4, 4:-4], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_beyond_the_halo_matters(kind):
    """And a pixel at its edge does, or beside it, where a halo holds for all places of a coarser grid."""
    network = trained(small(kind).double())
    halo, side = network.halo, 96
    random = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, side, side, dtype=torch.float64, generator=random)
    heard = []
    for place in (44, 46):
        changed = image.clone()
        outside = torch.ones(side, side, dtype=torch.bool)
        outside[place - halo : place + 2 + halo, place - halo : place + 2 + halo] = False
        changed[..., outside] = torch.rand(1, 3, int(outside.sum()), dtype=torch.float64, generator=random)
        window = slice(2 * place, 2 * place + 4)
        with torch.no_grad():
            before, after = network(image)[..., window, window], network(changed)[..., window, window]
            assert torch.equal(before, after)
            for inward in range(network.multiple // 2):
                corner = place - halo + inward
                inside = changed.clone()
                inside[..., corner, corner] += 0.5
                heard.append(not torch.equal(after, network(inside)[..., window, window]))
    assert any(heard)


@pytest.mark.parametrize("kind", KINDS)
def test_training_starts_near_bicubic(kind):
    """Blocks that begin far from the identity would let the depth decide how training starts."""
    random = torch.Generator().manual_seed(0)
    image = F.avg_pool2d(torch.rand(1, 3, 72, 72, generator=random), 9, stride=1)  # smooth, 64x64
    network = small(kind, blocks=6)
    with torch.no_grad():
        upsampled = F.pixel_shuffle(
            network.skip(F.pad(image, (2, 2, 2, 2), mode="replicate")), upscale_factor=4
        )
        assert (network(image) - upsampled).std() < 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_reaches_every_weight(kind):
    network = small(kind)
    random = torch.Generator().manual_seed(0)
    network(torch.rand(2, 3, 24, 24, generator=random)).square().mean().backward()
    still = [
        name
        for name, weight in network.named_parameters()
        if weight.grad is None or not weight.grad.abs().amax() > 0
    ]
    assert still == []


def test_a_branched_convolution_is_the_sum_of_its_branches():
    conv = trained(BranchedConv(4, 2).double())
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 7, 5, dtype=torch.float64, generator=random)
    branches = (
        F.conv2d(x, conv.direct, padding=1),
        F.conv2d(x, conv.centre[:, :, None, None]),
        F.conv2d(F.conv2d(x, conv.widen[:, :, None, None]), conv.gather, padding=1),
        conv.identity[:, None, None] * x,
        conv.bias[:, None, None],
    )
    torch.testing.assert_close(conv(x), sum(branches), rtol=0, atol=1e-12)


def test_a_branched_convolution_begins_with_the_variance_of_a_plain_one():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kernel = BranchedConv(64, 2).kernel()
    # He: 2 / (9 C) in each of 9 C weights
    assert kernel.square().sum().item() / 64 == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("size", [(2, 2), (34, 18)])
def test_folding_gives_an_equal_plain_network(size):
    network = trained(small("half-resolution-reparameterised").double()).eval()
    plain = network.fold()
    assert type(plain) is HalfResolutionNet
    assert plain.state_dict().keys() == small("half-resolution").state_dict().keys()
    assert not plain.training
    image = torch.rand(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = network(image)
        torch.testing.assert_close(plain(image), expected, rtol=0, atol=1e-12)
        for weight in plain.parameters():
            weight.zero_()
        assert torch.equal(network(image), expected), "folding shares no weights"


def test_unfolding_goes_on_from_the_folded_weights():
    plain = trained(small("half-resolution"))
    network = small("half-resolution-reparameterised")
    weights = network.unfolded(plain.state_dict())
    network.load_state_dict(weights)
    random = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 12, 10, generator=random)
    torch.testing.assert_close(network(image), plain(image), rtol=0, atol=1e-6)
    again = network.fold().state_dict()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(again[name], value)
    network(image).square().mean().backward()
    still = {name for name, weight in network.named_parameters() if not weight.grad.abs().amax() > 0}
    assert still == {name for name in weights if name.endswith("widen")}, "these follow after one step"
    with pytest.raises(ValueError, match=r"body\.0\.first\.weight is missing or of another shape"):
        network.unfolded(small("half-resolution-large-kernel").state_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_added_as_the_identity_and_can_learn(kind):
    """From weights in the network's own form and, where it folds, from those of the plain network."""
    shallow = trained(small(kind))
    image = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    for start in {id(shallow): shallow, id(folded(shallow)): folded(shallow)}.values():
        deep = small(kind, blocks=len(shallow.body) + 2)
        weights = deep.deepened(start.state_dict())
        if not deep.state_dict().keys() <= weights.keys():
            weights = deep.unfolded(weights)
        deep.load_state_dict(weights)
        torch.testing.assert_close(deep(image), shallow(image), rtol=0, atol=1e-5)
        deep(image).square().mean().backward()
        for block in deep.body[len(shallow.body) :]:
            gradients = {name: weight.grad.abs().amax() for name, weight in block.named_parameters()}
            last = [name for name, _ in block.named_children()][-1]
            assert max(value for name, value in gradients.items() if name.startswith(last)) > 0
    assert small(kind, blocks=1).deepened(shallow.state_dict()).keys() == shallow.state_dict().keys()


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_not_added_to_another_kind(kind):
    plain = {"half-resolution", "half-resolution-reparameterised"}
    for other in set(KINDS) - {kind}:
        weights = trained(small(other)).state_dict()
        mixed = small(kind, blocks=4).deepened(weights)
        grows = (kind in plain and other == "half-resolution") or (kind == TWO_SCALE and other in plain)
        assert (len(mixed) > len(weights)) == grows
    unnumbered = {"body.conv.weight": torch.zeros(1)}
    assert small(kind).deepened(unnumbered) == unnumbered


@pytest.mark.parametrize("kind", KINDS)
def test_channels_are_added_without_a_change_of_results_and_can_learn(kind):
    """From weights in the network's own form and, where it folds, from those of the plain network."""
    narrow = trained(small(kind))
    image = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    for start in {id(narrow): narrow, id(folded(narrow)): folded(narrow)}.values():
        wide = small(kind, channels=12)
        weights = wide.widened(start.state_dict())
        if not wide.state_dict().keys() <= weights.keys():
            weights = wide.unfolded(weights)
        wide.load_state_dict(weights)
        torch.testing.assert_close(wide(image), narrow(image), rtol=0, atol=1e-5)
        wide(image).square().mean().backward()
        assert wide.tail.weight.grad[:, 8:].abs().amin(dim=(0, 2, 3)).amin() > 0, (
            "each added channel is heard"
        )
        for step in range(2):
            with torch.no_grad():
                for parameter in wide.parameters():
                    parameter.add_(parameter.grad, alpha=-0.01)
                    parameter.grad = None
            wide(image).square().mean().backward()
            assert step == 0 or wide.head.weight.grad[8:].abs().amax(dim=(1, 2, 3)).amin() > 0, "and learns"
    assert small(kind).widened(wide.state_dict()).keys() == wide.state_dict().keys(), "never cut"
    deeper = small(kind, blocks=1, channels=12).widened(narrow.state_dict())
    assert all(torch.equal(deeper[name], value) for name, value in narrow.state_dict().items())
    assert (
        small(kind, channels=12).widened({"head.weight": torch.zeros(8, 3, 3, 3)})["head.weight"].shape[0]
        == 8
    )


@pytest.mark.parametrize("start", ["half-resolution", "half-resolution-reparameterised"])
def test_a_second_scale_is_added_without_a_change_of_results_and_can_learn(start):
    single = trained(small(start))
    network = small(TWO_SCALE)
    network.load_state_dict(network.unfolded(folded(single).state_dict()))
    image = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(image), single(image), rtol=0, atol=1e-6)
    for _ in range(2):
        network.zero_grad()
        network(image).square().mean().backward()
        with torch.no_grad():
            network.coarse.up.weight.sub_(network.coarse.up.weight.grad)
    still = [name for name, weight in network.coarse.named_parameters() if not weight.grad.abs().amax() > 0]
    assert still == [], "all of it learns after one step"


def test_both_scales_fold_and_unfold():
    network = trained(small(TWO_SCALE).double()).eval()
    plain = network.fold()
    image = torch.rand(2, 3, 20, 12, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(plain(image), network(image), rtol=0, atol=1e-12)
    assert not plain.training and plain.config.expansion == 0
    assert not any(isinstance(module, BranchedConv) for module in plain.modules())
    again = small(TWO_SCALE).double()
    again.load_state_dict(again.unfolded(plain.state_dict()))
    with torch.no_grad():
        torch.testing.assert_close(again(image), network(image), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"coarse\.down\.weight is missing or of another shape"):
        small(TWO_SCALE).unfolded(plain.state_dict() | {"coarse.down.weight": torch.zeros(1)})


def test_two_scales_cost_and_see_what_the_docs_say():
    """docs/models.md: 96 GFLOP, at most the 100 that the default network may take."""
    config, network = GENERATORS[TWO_SCALE]
    default = network(config())
    assert cost(default, 512, 512).gflop == pytest.approx(95.7, abs=0.1)
    assert default.halo == 45
    for wrong in ({"joins": 7}, {"coarse_blocks": 0}, {"expansion": -1}):
        with pytest.raises(ValueError, match=f"generator.*{next(iter(wrong))}"):
            config(**wrong)


def test_folding_leaves_plain_networks_and_random_numbers_alone():
    plain = small("half-resolution")
    assert folded(plain) is plain
    before = torch.random.get_rng_state()
    folded(small("half-resolution-reparameterised"))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("kind", ONE_SCALE)
def test_cost_is_that_of_the_convolutions_in_use(kind):
    """All convolutions work at half resolution, so each weight is used once per 2x2 pixels."""
    network = small(kind)
    plain = folded(network)
    weights = sum(module.weight.numel() for module in plain.modules() if isinstance(module, nn.Conv2d))
    needed = cost(network, 20, 12)
    assert needed.multiply_adds == weights * 10 * 6
    assert needed.parameters == sum(parameter.numel() for parameter in plain.parameters())


def test_branches_cost_nothing_in_use():
    assert cost(small("half-resolution-reparameterised"), 8, 8) == cost(small("half-resolution"), 8, 8)


@pytest.mark.parametrize("kind", ONE_SCALE)
def test_default_sizes_cost_about_the_same(kind):
    """As docs/models.md says: 63 GFLOP for a 512x512 photograph."""
    config, network = GENERATORS[kind]
    assert cost(network(config()), 512, 512).gflop == pytest.approx(63.19, rel=0.05)


def test_sizes_must_be_positive():
    with pytest.raises(ValueError, match="at least 1"):
        HalfResolutionConfig(blocks=0)


@pytest.mark.parametrize(
    ("kind", "option"), [("reparameterised", {"expansion": 0}), ("large-kernel", {"kernel_px": 6})]
)
def test_options_of_a_block_are_checked(kind, option):
    config, _ = GENERATORS[f"half-resolution-{kind}"]
    with pytest.raises(ValueError, match=f"generator.{next(iter(option))} must be"):
        config(**option)
    with pytest.raises(ValueError, match="at least 1"):
        config(blocks=0)
