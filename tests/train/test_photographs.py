from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from facesr_cli.errors import TrainingError
from facesr_train import photographs
from facesr_train.crops import CELL_PX, PairSource
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


def source(photograph, *, seed=0, rank=0, sharp_share=0.5):
    return PairSource(
        [photograph],
        shares={"paper": 1, "bicubic": 1, "real": 1},
        sharp_share=sharp_share,
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
