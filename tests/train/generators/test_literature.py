"""What holds for every generator of the literature."""

from __future__ import annotations

import pytest
import torch

from facesr_train.generators import GENERATORS
from facesr_train.generators.cost import cost
from facesr_train.generators.generator import Generator
from facesr_train.generators.outputs import ManyOutputs
from facesr_train.generators.reach import UNSHUFFLE, Conv, Interpolate, Shuffle, halo_of
from facesr_train.recipe import load_recipe, recipe_from_dict

SMALL = {
    "paper": {"kind": "paper", "widths": [8, 8, 16], "tail_widths": [8]},
    "paper-other": {"kind": "paper", "widths": [4, 8], "tail_widths": [8, 8], "blend": "convex"}
    | {"scale_param": "sigmoid", "scale_per_channel": True, "final_tanh": True},
    "srresnet": {"kind": "srresnet", "channels": 4, "blocks": 2},
    "srresnet-plain": {"kind": "srresnet", "channels": 4, "blocks": 1, "outer_kernel_px": 3}
    | {"batch_norm": False, "activation": "leaky-relu", "skip": "bilinear"},
    "rrdb": {"kind": "rrdb", "channels": 4, "growth": 2, "blocks": 1},
    "rrdb-eca": {"kind": "rrdb", "channels": 4, "growth": 2, "blocks": 1, "attention": "eca"}
    | {"skip": "bicubic"},
    "rrdb-se": {"kind": "rrdb", "channels": 4, "growth": 2, "blocks": 1, "attention": "se-rrdb+eca-rdb"}
    | {"gate": "sigmoid"},
    "eegan": {"kind": "eegan", "channels": 4, "blocks": 1, "edge_blocks": 1},
    "msg": {"kind": "msg", "channels": 4},
    "srcnn": {"kind": "srcnn", "widths": [4, 4]},
    "srcnn-skip": {"kind": "srcnn", "widths": [4, 4], "skip": "bicubic"},
}
LOCAL = sorted(set(SMALL) - {"rrdb-eca", "rrdb-se"})


@pytest.fixture
def small(build):
    def make(name: str) -> Generator:
        options = dict(SMALL[name])
        return build(options.pop("kind"), **options)

    return make


def test_all_are_covered():
    assert {table["kind"] for table in SMALL.values()} == {
        kind for kind in GENERATORS if not kind.startswith("half-resolution")
    }


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("paper", 465_645),
        ("srresnet", 1_401_749),
        ("rrdb", 16_703_171),
        ("eegan", 7_247_366),
        ("msg", 777_225),
        ("srcnn", 22_403),
    ],
)
def test_full_sizes_have_the_published_structure(full_size, kind, parameters):
    assert sum(parameter.numel() for parameter in full_size(kind).parameters()) == parameters


@pytest.mark.parametrize("name", sorted(SMALL))
@pytest.mark.parametrize("size", [(4, 8), (24, 12)])
def test_they_double(small, name, size):
    network = small(name)
    assert network(torch.rand(2, 3, *size)).shape == (2, 3, 2 * size[0], 2 * size[1])


@pytest.mark.parametrize("name", sorted(SMALL))
def test_recipes_can_choose_them(name):
    recipe = recipe_from_dict(load_recipe("face-x2").to_dict() | {"generator": SMALL[name]})
    assert recipe_from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize("name", LOCAL)
def test_the_halo_is_how_far_a_pixel_looks(small, name):
    """The gradient of single output pixels reaches as far as the halo, and no farther."""
    network = small(name).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(0.02, 0.03)  # so that no rectifier, no Tanh and no sum hides a way
    halo, multiple = network.halo, network.multiple
    start = -(-(halo + 4) // multiple) * multiple
    image = torch.full((1, 3, 4, 2 * start + 8), 0.6, dtype=torch.float64, requires_grad=True)
    output = network(image)
    farthest = 0
    for place in range(start, start + 8):
        window = output[..., 2 * place : 2 * place + 2].sum()
        (gradient,) = torch.autograd.grad(window, image, retain_graph=True)
        (reached,) = torch.nonzero(gradient.abs().sum((0, 1, 2)), as_tuple=True)
        farthest = max(farthest, place - int(reached.min()), int(reached.max()) - place)
    assert farthest == halo


@pytest.mark.parametrize("name", ["rrdb-eca", "rrdb-se"])
def test_attention_looks_at_the_whole_picture(small, name):
    network = small(name).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(0.02, 0.03)
    assert network.halo is None
    image = torch.full((1, 3, 4, 400), 0.6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(image)[..., 0].sum(), image)
    assert bool((gradient != 0).all())


@pytest.mark.parametrize("name", sorted(SMALL))
def test_gradient_reaches_every_weight(small, name, pictures):
    network = small(name).double()
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, parameter in network.named_parameters():  # off the zeros that some parts start with
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=random, dtype=parameter.dtype))
            if "squeeze" in key:  # so few hidden units could all be shut
                parameter.abs_().add_(0.5)
    outputs = network(pictures(16, 16, 2), every=True) if isinstance(network, ManyOutputs) else {}
    outputs = outputs or {"image": network(pictures(16, 16, 2))}
    sum(output.square().mean() for output in outputs.values()).backward()
    still = [
        key
        for key, weight in network.named_parameters()
        if weight.grad is None or not bool(weight.grad.abs().amax() > 0)
    ]
    assert still == []


@pytest.mark.parametrize("name", ["eegan", "msg"])
def test_several_outputs_have_their_targets(small, name, pictures):
    network = small(name).double().eval()
    assert isinstance(network, ManyOutputs)
    image, original = pictures(8, 12, 2), pictures(16, 24, 2)
    outputs, targets = network(image, every=True), network.targets(original)
    assert tuple(outputs) == network.outputs == tuple(targets)
    assert torch.equal(outputs["image"], network(image)), "the final picture is the one that is exported"
    assert torch.equal(targets["image"], original)
    for key, output in outputs.items():
        assert output.shape == targets[key].shape


@pytest.mark.parametrize("name", ["paper", "rrdb", "eegan", "msg"])
def test_cost_can_be_counted(small, name):
    network = small(name)
    assert cost(network, 16, 32).multiply_adds == 2 * cost(network, 16, 16).multiply_adds > 0


@pytest.mark.parametrize(
    ("paths", "halo"),
    [
        ([[Conv(3)]], 1),
        ([[Conv(3, count=3)], [Conv(5)], []], 3),
        ([[Shuffle()]], 0),
        ([[Shuffle(), Conv(3)]], 1),
        ([[Interpolate(2)]], 1),
        ([[Interpolate(4)]], 2),
        ([[UNSHUFFLE, Shuffle()]], 1),
        ([[UNSHUFFLE, Conv(3), Shuffle()]], 3),
    ],
)
def test_reach_of_single_layers(paths, halo):
    scale = 1 if UNSHUFFLE in paths[0] or not isinstance(paths[0][0], Shuffle | Interpolate) else 2
    assert halo_of(*paths, scale=scale) == halo


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        ("paper", {"widths": []}, "list of at least one width"),
        ("paper", {"widths": [64, 30]}, "multiple of 4"),
        ("paper", {"tail_widths": [0]}, "above 0"),
        ("paper", {"blend": "mean"}, "one of additive, convex"),
        ("paper", {"scale_param": "tanh"}, "one of clamp, sigmoid"),
        ("paper", {"scale_init": 0.9}, "between 0.2 and 0.8"),
        ("paper", {"final_tanh": "yes"}, "true or false"),
        ("srresnet", {"blocks": 0}, "blocks must be at least 1"),
        ("srresnet", {"outer_kernel_px": 4}, "must be odd"),
        ("srresnet", {"activation": "gelu"}, "one of prelu"),
        ("srresnet", {"skip": "lanczos"}, "one of none, bilinear, bicubic"),
        ("rrdb", {"attention": "cbam"}, "one of none, eca, se"),
        ("rrdb", {"gate": "tanh"}, "one of sigmoid, 2sigmoid"),
        ("eegan", {"edge_blocks": 0}, "edge_blocks must be at least 1"),
        ("msg", {"channels": 0}, "channels must be at least 1"),
        ("srcnn", {"widths": [64]}, "two numbers"),
    ],
)
def test_wrong_options_are_named(kind, option, message):
    with pytest.raises(ValueError, match=message):
        GENERATORS[kind][0](**option)
