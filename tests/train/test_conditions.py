"""What a run depends on beside its recipe, and what a resumed one says of it."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from facesr_train import conditions, hardware
from facesr_train.augmentation import Augmentation
from facesr_train.checkpoint import LAST_NAME, load_checkpoint
from facesr_train.crops import PairSource
from facesr_train.session import TrainSettings, run_training

# Means of the small crops and of their originals, 0 to 1, of the fixed batch below.
FIXED_BATCH_MEANS = (0.47648, 0.47616)


def test_a_resumed_run_says_what_is_not_as_it_was(recipe, faces, tmp_path, monkeypatch, capsys):
    settings = TrainSettings(data=faces, out=tmp_path, device="cpu")
    run_training(recipe, settings)
    written = load_checkpoint(tmp_path / LAST_NAME).conditions
    assert written == conditions.conditions("cpu")
    again = dataclasses.replace(settings, resume=True)
    capsys.readouterr()
    run_training(recipe, again)
    assert "never stopped" not in capsys.readouterr().err
    monkeypatch.setattr(conditions, "DRAWING", conditions.DRAWING + 1)
    run_training(recipe, again)
    said = capsys.readouterr().err
    assert "not as if it had never stopped: drawing of crops (version" in said and str(tmp_path) in said


def test_checkpoints_without_conditions_are_not_doubted():
    assert conditions.changes_since({}, conditions.conditions("cpu")) == ""
    assert conditions.changes_since({"precision": "a"}, {"precision": "b"}) == "precision (a, now b)"


def test_one_fixed_batch_is_drawn_as_this_version_says(portrait):
    """If the drawing was changed on purpose: raise `conditions.DRAWING`, then set the means."""
    source = PairSource(
        [torch.from_numpy(portrait).permute(2, 0, 1).contiguous()],
        shares={"paper": 1, "paper-alt": 1, "bicubic": 1, "real": 3},
        sharp_share=0.5,
        augmentation=Augmentation(
            varied_share=0.4, rescale_share=0.3, colour_share=0.3, soft_share=0.3, flat_share=0.5
        ),
        seed=3,
        rank=0,
        device=torch.device("cpu"),
        resident=False,
    )
    lr, hr = source.batch(7, 64, 64)
    assert conditions.DRAWING == 1
    assert (float(lr.mean()), float(hr.mean())) == pytest.approx(FIXED_BATCH_MEANS, abs=2e-4)


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "expected"),
    [(True, False, "bf16-mixed"), (False, True, "bf16-mixed"), (False, False, "32-true")],
)
def test_bfloat16_is_taken_where_the_processor_multiplies_it(amx, avx512_bf16, expected, monkeypatch):
    monkeypatch.setattr(
        hardware.torch,
        "cpu",
        SimpleNamespace(_is_amx_tile_supported=lambda: amx, _is_avx512_bf16_supported=lambda: avx512_bf16),
    )
    assert hardware.training_precision("cpu") == expected
    layout = hardware.memory_layout(torch.device("cpu"))
    assert layout == (torch.contiguous_format if expected == "32-true" else torch.channels_last)
