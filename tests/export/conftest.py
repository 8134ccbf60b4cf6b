"""Checkpoints of small untrained generators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from facesr_train.checkpoint import Checkpoint, build_generator, save_checkpoint
from facesr_train.recipe import load_recipe, recipe_from_dict


def build_checkpoint(folder: Path, kind: str = "half-resolution", *, seed: int = 0) -> Path:
    """A checkpoint of a small untrained generator, with biases as a trained one has them."""
    values = load_recipe("face-x2").to_dict()
    values["generator"] = {"kind": kind, "channels": 8, "blocks": 2}
    if kind == "half-resolution-two-scale":
        values["generator"] |= {"coarse_channels": 8, "coarse_blocks": 1, "joins": 1}
    recipe = recipe_from_dict(values)
    torch.manual_seed(seed)
    generator = build_generator(recipe)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.01)
    weights = generator.state_dict()
    checkpoint = Checkpoint(
        recipe=recipe,
        step=10,
        elapsed_s=61.0,
        images_seen=80,
        data="ten photographs",
        val_psnr_db={"paper": 33.0, "bicubic": 40.0, "real": 30.0},
        val_bicubic_psnr_db={"paper": 30.0, "bicubic": 38.0, "real": 29.5},
        best_psnr_db=34.3,
        generator=weights,
        average=weights,
        optimiser={},
    )
    path = folder / "best.ckpt"
    save_checkpoint(Fabric(accelerator="cpu", devices=1), path, checkpoint)
    return path


@pytest.fixture(scope="session")
def write_checkpoint() -> Callable[..., Path]:
    """Writes `best.ckpt` into a folder: `write_checkpoint(folder, kind, seed=1)`."""
    return build_checkpoint


@pytest.fixture(scope="session")
def checkpoint_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the default kind of generator."""
    return build_checkpoint(tmp_path_factory.mktemp("export"))
