from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from facesr_train.losses.identity import IdentityConfig, IdentityLoss, one_minus_cosine, views

CONFIGS = {
    "frame": IdentityConfig(stage64=1.0, stage128=1.0),
    "embedding": IdentityConfig(),
    "crop": IdentityConfig(view="crop", embedding=0.0, stage64=1.0),
    "crop-native": IdentityConfig(view="crop-native", embedding=0.0, stage128=1.0),
}


@pytest.fixture(params=CONFIGS)
def loss(request, small_face):
    return IdentityLoss(CONFIGS[request.param], small_face)


@pytest.fixture
def pictures():
    random = torch.Generator().manual_seed(0)
    return torch.rand(2, 1, 3, 256, 256, generator=random).unbind()


def test_equal_pictures_cost_nothing(loss, pictures):
    assert float(loss(pictures[0], pictures[0].clone())) == 0


def test_only_the_output_has_a_gradient(loss, pictures):
    output, target = (picture.clone().requires_grad_() for picture in pictures)
    value = loss(output, target)
    assert value.shape == ()
    assert value > 0
    value.backward()
    assert torch.isfinite(output.grad).all()
    assert output.grad.abs().sum() > 0
    assert target.grad is None


@pytest.mark.parametrize("name", ["frame", "embedding"])
def test_no_gradient_outside_the_face_box(name, small_face, pictures):
    output = pictures[0].clone().requires_grad_()
    IdentityLoss(CONFIGS[name], small_face)(output, pictures[1]).backward()
    box = torch.zeros(1, 3, 256, 256, dtype=torch.bool)
    box[:, :, round(0.249 * 256) : round(0.962 * 256), round(0.148 * 256) : round(0.862 * 256)] = True
    assert (output.grad[~box] == 0).all()
    assert (output.grad[box] != 0).float().mean() > 0.8


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
    assert float(value.detach()) == pytest.approx(float(loss(*pictures).detach()), rel=0.1)
    value.backward()
    assert torch.isfinite(output.grad).all()


def test_windows_lie_where_ffhq_has_eyes_and_mouth():
    face, *parts = views(CONFIGS["frame"], 1024, 1024)
    assert (face.rows, face.columns, face.resized) == (slice(255, 985), slice(152, 883), True)
    centres = [(part.columns.start + 75, part.rows.start + 75) for part in parts]
    for centre, expected in zip(centres, [(384, 484), (640, 484), (512, 755)], strict=True):
        assert centre == pytest.approx(expected, abs=1)
    assert not any(part.resized or part.whole_face for part in parts)


def test_windows_are_left_out_where_only_the_embedding_counts():
    assert [view.whole_face for view in views(CONFIGS["embedding"], 512, 512)] == [True]


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [("frame", (512, 256), "square"), ("frame", (192, 192), "face box"), ("crop", (32, 96), "at least 64")],
)
def test_pictures_that_do_not_fit_are_refused(name, size, message):
    with pytest.raises(ValueError, match=message):
        views(CONFIGS[name], *size)


@pytest.mark.parametrize(
    "values",
    [
        {"view": "face"},
        {"distance": "l1"},
        {"windows": "two"},
        {"embedding": 0.0},
        {"stage64": -1.0},
        {"view": "crop", "stage64": 1.0},
        {"face_left": 0.9},
    ],
    ids=["view", "distance", "windows", "nothing", "negative", "crop", "box"],
)
def test_contradictions_are_refused(values):
    with pytest.raises(ValueError, match="identity"):
        IdentityConfig(**values)


def test_the_length_of_the_difference_is_a_distance_too(small_face, pictures):
    config = IdentityConfig(distance="l2")
    faces = [torch.rand(2, 3, 256, 256), torch.rand(2, 3, 256, 256)]
    value = float(IdentityLoss(config, small_face)(*faces))
    cosine = float(IdentityLoss(IdentityConfig(), small_face)(*faces))
    assert value > 0 and value != cosine
    output = pictures[0].clone().requires_grad_()
    IdentityLoss(config, small_face)(output, pictures[0]).backward()
    assert torch.isfinite(output.grad).all(), "equal faces too"


def test_one_window_in_each_step(small_face, pictures, monkeypatch):
    torch.manual_seed(0)
    drawn = []
    monkeypatch.setattr(
        "facesr_train.losses.identity._look",
        lambda images, view: drawn.append(view) or images[..., :150, :150],
    )
    loss = IdentityLoss(IdentityConfig(stage64=1.0, windows="one"), small_face)
    for _ in range(12):
        loss(*pictures)
    windows = {(view.rows.start, view.columns.start) for view in drawn if not view.whole_face}
    assert len(windows) == 3 and len(drawn) == 12 * 2 * 2


def test_cosine_keeps_small_differences():
    random = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 4, 128, generator=random, dtype=torch.float64)
    b = a + 1e-4 * b
    expected = 1 - F.cosine_similarity(a, b)
    torch.testing.assert_close(one_minus_cosine(a, b).double(), expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(one_minus_cosine(a, -a), torch.full((4,), 2.0))


def test_trained_weights_see_a_stronger_degradation(dlib_face, astronaut):
    frame = astronaut[:, :, 33:213, 140:320]  # puts the face where the box of an aligned photograph has it
    target = F.interpolate(frame, (256, 256), mode="bilinear")
    loss = IdentityLoss(CONFIGS["frame"], dlib_face)
    values = []
    for side in (128, 64, 32):
        small = F.interpolate(target, (side, side), mode="bicubic", antialias=True)
        values.append(float(loss(F.interpolate(small, (256, 256), mode="bicubic"), target)))
    assert values == sorted(values)
