from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from facesr_cli.errors import TrainingError
from facesr_train import photographs
from facesr_train.augmentation import Augmentation, point_sampled, ramps
from facesr_train.cells import CELL_PX
from facesr_train.crops import NO_AUGMENTATION, PairSource
from facesr_train.degradations import degrade, draw_degradations, draw_noise
from facesr_train.draws import Draws
from facesr_train.photographs import find_photographs, load_photographs


def load(paths, tmp_path, lines=None):
    return load_photographs(
        paths,
        max_side_px=96,
        min_side_px=64,
        spill=tmp_path / "photographs.uint8",
        on_skip=(lines if lines is not None else []).append,
    )


def test_any_layout_is_split_by_name(faces):
    split = find_photographs(faces)
    assert len(split.train) == 3
    assert len(split.val) == 1
    assert not set(split.train) & set(split.val)
    assert find_photographs(faces) == split


def test_train_and_val_folders_are_taken_as_they_are(tmp_path):
    for name in ("train/a.png", "train/deep/b.jpg", "val/c.png", "test/d.png", "train/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    split = find_photographs(tmp_path)
    assert [path.name for path in split.train] == ["a.png", "b.jpg"]
    assert [path.name for path in split.val] == ["c.png"]


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(TrainingError, match="no such folder"):
        find_photographs(tmp_path / "nowhere")
    with pytest.raises(TrainingError, match="0 photographs to train on"):
        find_photographs(tmp_path)


def test_large_ones_are_reduced_and_bad_ones_left_out(faces, tmp_path):
    good = find_photographs(faces).train[0]
    bad, small = tmp_path / "bad.jpg", tmp_path / "small.png"
    bad.write_bytes(b"\xff\xd8 no more")
    Image.new("RGB", (40, 200)).save(small)
    lines: list[str] = []
    loaded = load([bad, good, small], tmp_path, lines)
    assert [tuple(p.shape) for p in loaded] == [(3, 96, 96)]
    assert "bad.jpg: left out, cannot be read" in lines[0]
    assert "small.png: left out, smaller than" in lines[1]
    with pytest.raises(TrainingError, match="no photograph could be used"):
        load([bad], tmp_path)


def test_what_does_not_fit_in_memory_is_read_from_a_file(faces, tmp_path, monkeypatch):
    paths = find_photographs(faces).train
    in_memory = load(paths, tmp_path)
    monkeypatch.setattr(photographs, "_free_memory_bytes", lambda: 1000)
    spilled = load(paths, tmp_path)
    assert (tmp_path / "photographs.uint8").stat().st_size == sum(p.numel() for p in in_memory)
    assert all(torch.equal(a, b) for a, b in zip(in_memory, spilled, strict=True))


def source(photograph, *, seed=0, rank=0, sharp_share=0.5, augmentation=NO_AUGMENTATION):
    return PairSource(
        [photograph],
        shares={"paper": 1, "bicubic": 1, "real": 1},
        sharp_share=sharp_share,
        augmentation=augmentation,
        seed=seed,
        rank=rank,
        device=torch.device("cpu"),
    )


def test_a_batch_follows_from_seed_rank_and_step(portrait):
    photograph = torch.from_numpy(portrait).permute(2, 0, 1).contiguous()
    lr, hr = source(photograph).batch(7, 3, 64)
    assert lr.shape == (3, 3, 32, 32)
    assert hr.shape == (3, 3, 64, 64)
    assert float(lr.min()) >= 0
    assert float(hr.max()) <= 1
    again_lr, again_hr = source(photograph).batch(7, 3, 64)
    assert torch.equal(lr, again_lr)
    assert torch.equal(hr, again_hr)
    for other in (
        source(photograph).batch(8, 3, 64),
        source(photograph, rank=1).batch(7, 3, 64),
        source(photograph, seed=1).batch(7, 3, 64),
    ):
        assert not torch.equal(other[1], hr)


def test_low_and_high_resolution_show_the_same_place(portrait):
    photograph = torch.from_numpy(portrait).permute(2, 0, 1).contiguous()
    lr, hr = source(photograph).batch(0, 8, 64)
    reduced = torch.nn.functional.avg_pool2d(hr, 2)
    assert float((reduced - lr).abs().mean()) < 0.05
    assert float((reduced.roll(2, 3) - lr).abs().mean()) > float((reduced - lr).abs().mean())


def test_sharp_places_are_drawn_more_often():
    photograph = torch.full((3, 256, 512), 128, dtype=torch.uint8)
    generator = np.random.default_rng(0)
    photograph[..., 256 + CELL_PX :] = torch.from_numpy(
        generator.integers(0, 256, (3, 256, 256 - CELL_PX), dtype=np.uint8)
    )

    def sharp_crops(share):
        _, hr = source(photograph, sharp_share=share).batch(0, 64, 32)
        return int((hr.std((1, 2, 3)) > 0.1).sum())

    assert sharp_crops(1.0) == 64
    assert 15 < sharp_crops(0.0) < 45


def test_rescaled_crops_show_more_of_a_photograph_at_the_same_size():
    """Stripes of 16 px: reduced by 0.7 to 1, and nothing else, their period becomes 11 to 16 px."""
    stripes = (torch.arange(512) // 8 % 2 * 255).to(torch.uint8).expand(3, 512, 512).contiguous()
    _, hr = source(stripes, augmentation=Augmentation(rescale_share=1.0)).batch(0, 24, 96)
    assert hr.shape == (24, 3, 96, 96)
    rising = ((hr[:, 0, 50, 1:] > 0.5) & (hr[:, 0, 50, :-1] <= 0.5)).sum(1)
    assert set(rising.tolist()) <= {5, 6, 7, 8, 9} and int(rising.max()) >= 8


def test_soft_crops_hold_nothing_finer_than_an_enlarged_photograph():
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 256, 256), dtype=np.uint8))
    _, sharp = source(noise).batch(0, 24, 64)
    _, soft = source(noise, augmentation=Augmentation(soft_share=1.0)).batch(0, 24, 64)
    assert soft.shape == sharp.shape

    def finest(pictures):
        return (pictures[..., 1:] - pictures[..., :-1]).abs().mean((1, 2, 3))

    assert float(finest(soft).max()) < float(finest(sharp).min())
    assert float(finest(soft).min()) < 0.6 * float(finest(sharp).mean())


def test_flat_crops_are_plain_or_ramps_or_stripes_of_any_colour(portrait):
    photograph = torch.from_numpy(portrait).permute(2, 0, 1).contiguous()
    _, hr = source(photograph, augmentation=Augmentation(flat_share=1.0)).batch(0, 256, 32)
    levels = hr * 255
    is_edge = torch.stack([levels.diff(n=2, dim=dim).abs().amax((1, 2, 3)) for dim in (2, 3)]).amax(0) > 2.01
    assert 70 <= int(is_edge.sum()) <= 180, "of 256: 70 % of 70 %, less those that miss the crop"
    ends = torch.stack((levels.amax((2, 3)), levels.amin((2, 3))), -1)[:, :, None, None]
    between = (levels[..., None] != ends).all(-1).any(1)[is_edge]
    assert float(between.float().mean((1, 2)).max()) < 0.5, "most pixels have one of two colours"
    assert float(between.float().mean()) < 0.25
    middle = (ends.sum(-1) / 2)[is_edge]
    flips = ((levels[is_edge] > middle).int().diff(dim=3) != 0).sum(3).amax((1, 2))
    assert float((flips > 1).float().mean()) > 0.2, "stripes among them"
    plain = (levels.amax((2, 3)) == levels.amin((2, 3))).all(1)
    assert 50 <= int(plain.sum()) <= 130, "30 %, and stripes wider than the crop"
    colours = levels[plain].mean((2, 3))
    assert float((colours.amax(1) - colours.amin(1)).max()) > 180, "saturated ones among them"
    ended = (colours == 0) | (colours == 255)
    assert 0.15 < float(ended.float().mean()) < 0.45, "channels at their end, too"


def test_some_edges_are_as_sharp_as_drawn_ones(portrait):
    """In the small picture an edge of one pixel can stand: means of 2x2 pixels, or one pixel of the four."""
    photograph = torch.from_numpy(portrait).permute(2, 0, 1).contiguous()
    lr, hr = source(photograph, augmentation=Augmentation(flat_share=1.0)).batch(0, 256, 32)
    lr, hr = (lr * 255).round(), (hr * 255).round()
    changes = (hr != hr[..., :1, :1]).flatten(1).any(1)
    blocks = torch.nn.functional.pixel_unshuffle(hr, 2).view(len(hr), 3, 4, 16, 16)
    averaged = ((blocks.mean(2) - lr).abs().amax((1, 2, 3)) <= 0.5) & changes
    one_pixel = (blocks == lr[:, :, None]).all(1).flatten(2).all(2).any(1) & changes & ~averaged
    assert 20 <= int(one_pixel.sum()) <= 75, "about a sixth"
    assert 45 <= int(averaged.sum()) <= 115, "as many, and slow ramps"
    steps = torch.stack([lr[one_pixel].diff(dim=dim).abs().amax((1, 2, 3)) for dim in (2, 3)]).amax(0)
    whole = (lr[one_pixel].amax((2, 3)) - lr[one_pixel].amin((2, 3))).amax(1)
    assert float((steps >= 0.99 * whole).float().mean()) > 0.3, "from one colour to the other within a pixel"


def test_stripes_and_ramps_are_where_they_are_asked_for():
    first, change = torch.full((3, 3), 60.0), torch.full((3, 3), 130.0)
    right, infinite = torch.tensor([[0.0, 1.0]]).expand(3, 2), float("inf")
    made = ramps(
        first,
        change,
        right,
        width_px=torch.tensor([0.5, 0.5, infinite]),
        offset_px=torch.tensor([0.0, 1.0, 0.0]),
        period_px=torch.tensor([20.0, 400.0, infinite]),
        side_px=32,
    )
    assert made.shape == (3, 3, 32, 32) and bool((made == made[:, :1, :1]).all())
    stripes, edge, ramp = made[:, 0, 0].int()
    assert stripes.tolist() == [190] * 6 + [60] * 10 + [190] * 10 + [60] * 6
    assert edge.tolist() == [60] * 17 + [190] * 15
    assert set(ramp.diff().tolist()) <= {2, 3} and abs(float(ramp.float().mean()) - 125) < 0.6


@pytest.mark.parametrize("place", range(4))
def test_one_pixel_stands_for_its_block(place):
    windows = torch.arange(2 * 3 * 4 * 6, dtype=torch.uint8).view(2, 3, 4, 6)
    blocks = point_sampled(windows, torch.tensor([place, 3 - place]))
    for index, taken in enumerate((place, 3 - place)):
        pixels = windows[index, :, taken // 2 :: 2, taken % 2 :: 2]
        for down in range(2):
            for right in range(2):
                assert torch.equal(blocks[index, :, down::2, right::2], pixels)


def test_changed_colours_reach_both_resolutions(portrait):
    photograph = torch.from_numpy(portrait).permute(2, 0, 1).contiguous()
    changed = source(photograph, augmentation=Augmentation(colour_share=1.0))
    lr, hr = changed.batch(0, 16, 64)
    reduced = torch.nn.functional.avg_pool2d(hr, 2)
    assert float((reduced - lr).abs().mean()) < 0.05
    grey = torch.full((3, 512, 512), 128, dtype=torch.uint8)
    _, hr = source(grey, augmentation=Augmentation(colour_share=1.0)).batch(0, 64, 32)
    means = hr.mean((2, 3))
    assert 0.3 < float(means.min()) < 0.45 and 0.55 < float(means.max()) < 0.75
    balance = means / means.mean(1, keepdim=True)
    assert 0.9 < float(balance.min()) < 0.99 and 1.01 < float(balance.max()) < 1.1


@pytest.mark.parametrize("kind", ["paper", "paper-alt", "bicubic", "real"])
def test_varied_degradations_are_wider_than_the_defined_one(portrait, kind):
    photograph = torch.from_numpy(portrait).permute(2, 0, 1).contiguous()[None].expand(40, -1, -1, -1)
    crop = photograph[..., 160:288, 160:288].contiguous()

    def spread(varied_share):
        """Standard deviation, over draws, of the detail that is left."""
        drawn = draw_degradations(Draws(40, 0), {kind: 1.0}, varied_share=varied_share)
        noise = draw_noise(crop, drawn, torch.Generator().manual_seed(0))
        lr = degrade(crop, drawn, noise).float()
        return float((lr[..., 1:] - lr[..., :-1]).abs().mean((1, 2, 3)).std())

    assert spread(1.0) > 1.2 * spread(0.0) + (0.01 if kind == "real" else 0.2)
