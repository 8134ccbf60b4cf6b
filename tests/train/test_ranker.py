"""The ranker: its loss, its data, what it learns, its file, and its use as a loss."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from facesr_cli.errors import ModelError, TrainingError
from facesr_train import ranker as program
from facesr_train.losses.rank import (
    RankConfig,
    Ranker,
    RankLoss,
    load_ranker,
    margin_ranking,
    save_ranker,
)
from facesr_train.ranker import (
    LEVELS,
    RankedPhotograph,
    RankerSettings,
    agreement,
    draw_pairs,
    ranked,
    train_ranker,
)

CROP_PX = 64


@pytest.fixture(scope="module")
def halves(portrait) -> list[RankedPhotograph]:
    """The upper and the lower half of the astronaut, (256, 512), at all levels."""
    return [ranked(half, seed=index) for index, half in enumerate(np.split(portrait, 2))]


def test_margin_by_hand():
    first = torch.tensor([1.0, 1.0, -2.0, 0.3], dtype=torch.float64)
    second = torch.tensor([0.0, 0.8, 1.0, 0.3], dtype=torch.float64)
    order = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    each = [0.0, 0.3, 0.0, 0.5]
    assert float(margin_ranking(first, second, order)) == pytest.approx(sum(each) / 4, abs=1e-6)
    for index, expected in enumerate(each):
        one = slice(index, index + 1)
        cost = margin_ranking(first[one], second[one], order[one])
        assert float(cost) == pytest.approx(expected, abs=1e-6)
    assert float(margin_ranking(second[1:2], first[1:2], order[1:2])) == pytest.approx(0.7, abs=1e-6)


@pytest.mark.parametrize(("difference", "free"), [(0.5, True), (0.499, False)])
def test_half_a_point_in_order_is_enough(difference, free):
    cost = margin_ranking(torch.tensor([difference]), torch.zeros(1), torch.ones(1))
    assert (float(cost) == 0) == free


def test_the_trunk_is_that_of_the_discriminator():
    with torch.device("meta"):
        ranker = Ranker()
        assert ranker(torch.rand(2, 3, 128, 128)).shape == ranker(torch.rand(2, 3, 296, 296)).shape == (2,)
    head = 512 * 100 + 100 + 101
    discriminator_head = 4 * 4 * 512 * 100 + 100 + 101
    assert sum(p.numel() for p in ranker.parameters()) == 14_499_401 - discriminator_head + head


def test_levels_have_the_order_of_their_niqe(halves):
    for photograph in halves:
        niqe = dict(zip(LEVELS, photograph.niqe, strict=True))
        assert niqe["original"] < niqe["bicubic"] < niqe["noise"]
        assert photograph.pictures.shape == (4, 3, 256, 512)
        assert all(photograph.niqe[a] != photograph.niqe[b] for a, b in photograph.pairs)


def test_networks_add_levels(portrait):
    seen = []

    def network(reduced):
        seen.append(reduced)
        return reduced.repeat(2, 0).repeat(2, 1)

    photograph = ranked(portrait[:256, 128:384], seed=0, networks=[network, network])
    assert photograph.pictures.shape == (6, 3, 256, 256) and len(photograph.niqe) == 6
    assert photograph.niqe[4] == photograph.niqe[5] and (4, 5) not in photograph.pairs
    assert seen[0].shape == (128, 128, 3)


def test_pairs_are_two_levels_of_one_place(halves):
    first, second, order = draw_pairs(halves, 40, CROP_PX, np.random.default_rng(0))
    assert first.shape == second.shape == (40, 3, CROP_PX, CROP_PX)
    assert set(order.tolist()) == {1.0, -1.0}
    difference = (first - second).abs().mean((1, 2, 3))
    assert bool((difference > 0).all()) and float(difference.max()) < 0.2
    again = draw_pairs(halves, 40, CROP_PX, np.random.default_rng(0))
    assert torch.equal(first, again[0]) and torch.equal(order, again[2])


def test_ties_and_small_photographs_are_refused(halves):
    tied = RankedPhotograph(halves[0].pictures, (3.0, 3.04, 3.01, 3.02))
    with pytest.raises(TrainingError, match="no two pictures"):
        draw_pairs([tied], 1, CROP_PX, np.random.default_rng(0))
    with pytest.raises(TrainingError, match="smaller than a crop"):
        draw_pairs(halves, 1, 512, np.random.default_rng(0))
    assert ranked(np.zeros((100, 100, 3), np.uint8), seed=0) is None


def sharp_and_soft(photograph: RankedPhotograph) -> RankedPhotograph:
    """The original and its enlarged half alone."""
    levels = [LEVELS.index("original"), LEVELS.index("bicubic")]
    return RankedPhotograph(photograph.pictures[levels], tuple(photograph.niqe[level] for level in levels))


def learned(photograph: RankedPhotograph, steps: int) -> Ranker:
    settings = RankerSettings(channels=16, crop_px=CROP_PX, batch_size=8, steps=steps, learning_rate=1e-3)
    return train_ranker([photograph], settings, torch.device("cpu"))


@pytest.fixture(scope="module")
def trained(halves) -> Ranker:
    """Trained on the four levels of the upper half."""
    return learned(halves[0], 200)


def test_it_learns_the_order_and_keeps_it_elsewhere(trained, halves):
    """The upper half teaches the order of the lower one.

    So few steps leave much to the rounding of the machine. Of ten first weights the worst had 0.87 right of
    the pairs of four levels, and all of sixteen had every pair right where there was one pair to learn.
    """
    assert agreement(trained, halves[1:], 200, 2 * CROP_PX, seed=1) >= 0.75
    pair = [sharp_and_soft(half) for half in halves]
    assert agreement(learned(pair[0], 100), pair[1:], 200, 2 * CROP_PX, seed=1) >= 0.9


def test_the_file_gives_the_same_ranker_without_pickle(trained, tmp_path):
    path = tmp_path / "ranker.npz"
    save_ranker(path, trained)
    read, picture = load_ranker(path), torch.rand(2, 3, 64, 64)
    assert not read.training and read.channels == 16
    with torch.no_grad():
        assert torch.equal(read(picture), trained(picture))
    with np.load(path, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)


def test_the_loss_moves_the_output_and_never_the_ranker(trained, tmp_path):
    path = tmp_path / "ranker.npz"
    save_ranker(path, trained)
    loss = RankLoss(RankConfig(ranker=str(path)))
    loss.train()
    before = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
    output = torch.rand(2, 3, 64, 64, requires_grad=True)
    cost = loss(output, torch.zeros_like(output))
    cost.backward()
    assert 0 < float(cost.detach()) < 1 and float(output.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in loss.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in loss.state_dict().items())
    with torch.no_grad():
        assert float(cost) == pytest.approx(float(trained(output).sigmoid().mean()))
    generator = torch.nn.Conv2d(3, 3, 3, padding=1)
    torch.nn.init.dirac_(generator.weight)  # outputs in [0, 1], beyond which the loss has no gradient
    torch.nn.init.zeros_(generator.bias)
    optimiser = torch.optim.Adam([*generator.parameters(), *loss.parameters()], 0.01)
    for _ in range(2):
        optimiser.zero_grad()
        loss(generator(output.detach()), torch.zeros_like(output)).backward()
        assert all(float(weight.grad.abs().max()) > 0 for weight in generator.parameters())
        optimiser.step()
    assert all(torch.equal(tensor, before[name]) for name, tensor in loss.state_dict().items())


@pytest.mark.parametrize("content", [None, b"no zip", b"PK\x03\x04 cut"])
def test_a_missing_or_broken_file_is_named(tmp_path, content):
    path = tmp_path / "ranker.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"ranker\.npz: .*facesr_train\.ranker"):
        RankLoss(RankConfig(ranker=str(path)))


@pytest.mark.parametrize(
    "change", [{"facesr_ranker": np.int64(9)}, {"head.2.bias": np.zeros(3)}, {"extra": 0}]
)
def test_another_version_or_shape_is_refused(tmp_path, change):
    path = tmp_path / "ranker.npz"
    save_ranker(path, Ranker(4))
    with np.load(path) as arrays:
        values = dict(arrays) | change
    if "extra" in change:
        del values["head.0.weight"]
    np.savez(path, **values)
    with pytest.raises(ModelError, match="another version|not a ranker"):
        load_ranker(path)


def test_the_program_writes_a_ranker(monkeypatch, tmp_path, portrait, capsys):
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        Image.fromarray(portrait[:256, 128:384]).save(tmp_path / part / "face.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "train" / "small.png")
    output = tmp_path / "ranker.npz"
    arguments = ["ranker", str(tmp_path), "-o", str(output), "--steps", "1", "--channels", "2"]
    arguments += ["--network", "face-x2"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert program.main() == 0
    captured = capsys.readouterr()
    assert "1 steps on 1 photographs" in captured.out and "small.png: left out" in captured.err
    assert load_ranker(output).channels == 2


def test_a_level_of_another_scale_is_refused(monkeypatch, tmp_path, foreign_x3_model, portrait, capsys):
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    for part in ("train", "val"):
        Image.fromarray(portrait[:256, 128:384]).save(tmp_path / part / "face.png")
    arguments = ["ranker", str(tmp_path), "-o", str(tmp_path / "r.npz"), "--network", str(foreign_x3_model)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert program.main() == 3
    assert "enlarges 3 times" in capsys.readouterr().err


def test_the_program_names_a_missing_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "argv", ["ranker", str(tmp_path / "none"), "-o", str(tmp_path / "r.npz")])
    assert program.main() == 3
    assert "no such folder" in capsys.readouterr().err
