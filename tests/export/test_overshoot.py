"""The limit of overshoot: no halo beside hard edges, photographs as they were, partners still partners."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from torch.nn import functional as F

from facesr_cli.commands.export import export
from facesr_cli.errors import ExportError
from facesr_cli.model.blend import blend
from facesr_cli.model.info import read_model
from facesr_cli.model.precision import to_float16
from facesr_cli.model.split import split
from facesr_export.exporter import export_checkpoint
from facesr_export.overshoot import CONTRAST, LEVEL, REACH, OvershootLimit, bounds, with_overshoot_limit
from facesr_export.parity import example


class Sharpener(torch.nn.Module):
    """Enlarges by nearest neighbour and adds `amount` of what a blur takes away."""

    def __init__(self, amount=2.0):
        super().__init__()
        self.amount = amount

    def forward(self, image):
        large = F.interpolate(image, scale_factor=2)
        smooth = F.avg_pool2d(F.pad(large, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
        return large + self.amount * (large - smooth)


def step(dark=0.25, light=0.75, size=24):
    x, y = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.where(x + y > size, light, dark).float().expand(1, 3, size, size).clone()


def run(model, image):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


@pytest.fixture(scope="module")
def exported(checkpoint_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("overshoot")
    plain = export_checkpoint(checkpoint_path, folder / "plain.onnx")
    return plain, export_checkpoint(checkpoint_path, folder / "limited.onnx", limit_overshoot=True)


def test_a_hard_edge_overshoots_by_a_share_of_its_contrast_only():
    allowed = CONTRAST * 0.5 + LEVEL
    free, held = Sharpener()(step()), OvershootLimit(Sharpener(), 2)(step())
    assert free.max() > 0.75 + 2 * allowed
    assert held.max().item() == pytest.approx(0.75 + allowed)
    assert held.min().item() == pytest.approx(0.25 - allowed)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3)])
def test_small_bright_and_dark_spots_are_not_held_back(shape):
    """All but a 3x3 square: a point and a thin line may become brighter than the input shows them."""
    for ground, spot in ((0.25, 0.75), (0.75, 0.25)):
        image = torch.full((1, 3, 17, 17), ground)
        image[:, :, 8 : 8 + shape[0], 8 : 8 + shape[1]] = spot
        free, held = Sharpener(0.5)(image), OvershootLimit(Sharpener(0.5), 2)(image)
        inside = np.s_[:, :, 16 : 16 + 2 * shape[0], 16 : 16 + 2 * shape[1]]
        assert torch.equal(free[inside], held[inside]) == (shape < (3, 3))


def test_a_photograph_stays_almost_as_it_is():
    image = torch.from_numpy(example())[None]
    small = F.avg_pool2d(image, 2)
    free, held = (
        network(small).clamp(0, 1) for network in (Sharpener(1.0), OvershootLimit(Sharpener(1.0), 2))
    )
    assert ((free - held).abs() > LEVEL).float().mean() < 0.01


def test_bounds_hold_the_image_and_reach_as_far_as_stated():
    torch.manual_seed(0)
    image = torch.rand(1, 3, 21, 21, requires_grad=True)
    lowest, highest = bounds(image)
    assert (lowest < image).all() and (image < highest).all()
    for bound in (lowest, highest):
        (gradient,) = torch.autograd.grad(bound[:, :, 10, 10].sum(), image, retain_graph=True)
        touched = gradient.abs().sum((0, 1)).nonzero()
        assert (touched - 10).abs().max() <= REACH


def test_the_file_computes_what_torch_does_and_says_so(exported):
    plain, limit = exported
    assert max(case.difference for case in limit.cases) < 1e-5
    assert limit.info.recipe == f"{plain.info.recipe}, overshoot limited"
    image = step().numpy()
    lowest, highest = (F.interpolate(bound, scale_factor=2).numpy() for bound in bounds(step()))
    expected = np.clip(run(onnx.load(plain.output), image), lowest, highest)
    np.testing.assert_allclose(run(onnx.load(limit.output), image), expected, atol=1e-6)


def test_a_file_that_exists_gets_the_same_graph(exported, tmp_path):
    plain, limit = exported
    output = tmp_path / "later.onnx"
    result = CliRunner().invoke(export, [str(plain.output), "--limit-overshoot", "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert onnx.load(output).graph == onnx.load(limit.output).graph
    assert read_model(output).info.recipe == limit.info.recipe


def test_a_second_limit_is_refused(exported, tmp_path):
    with pytest.raises(ExportError, match="limited already"):
        with_overshoot_limit(onnx.load(exported[1].output), scale=2)
    output = tmp_path / "twice.onnx"
    result = CliRunner().invoke(export, [str(exported[1].output), "--limit-overshoot", "-o", str(output)])
    assert isinstance(result.exception, ExportError)
    assert str(exported[1].output) in str(result.exception)
    assert not output.exists()


def test_other_graphs_are_refused(exported):
    model = onnx.load(exported[0].output)
    model.graph.output[0].name = "something else"
    with pytest.raises(ExportError, match="does not lead"):
        with_overshoot_limit(model, scale=2)


def test_with_half_weights_and_mirrorings_as_well(checkpoint_path, tmp_path):
    report = export_checkpoint(
        checkpoint_path, tmp_path / "all.onnx", limit_overshoot=True, half_weights=True, mirrorings=2
    )
    assert report.info.recipe.endswith(", mean of 2 mirrorings, overshoot limited")
    assert report.rounding is not None


def test_partners_need_the_limit_both(exported, write_checkpoint, tmp_path):
    other = export_checkpoint(write_checkpoint(tmp_path, seed=1), tmp_path / "gan.onnx", limit_overshoot=True)
    plain, limit = (onnx.load(report.output) for report in exported)
    mixed = blend(limit, onnx.load(other.output), 0.5)
    assert [node.op_type for node in mixed.graph.node] == [node.op_type for node in limit.graph.node]
    with pytest.raises(Exception, match="their graphs differ"):
        blend(plain, onnx.load(other.output), 0.5)


def test_in_half_precision_and_split(exported):
    model = onnx.load(exported[1].output)
    image = step().numpy()
    expected = run(model, image)
    assert np.abs(run(to_float16(model), image.astype(np.float16)) - expected).max() < 4e-3
    parts = split(model)
    assert parts is not None
    body, tail = parts
    assert not any(node.op_type == "MaxPool" for node in body.graph.node)
    assert sum(node.op_type == "MaxPool" for node in tail.graph.node) == 8
