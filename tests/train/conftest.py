"""Small photographs and a small recipe, so that whole training runs take seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from facesr_train.recipe import Recipe, recipe_from_dict


def small_recipe(**run: int) -> Recipe:
    return recipe_from_dict(
        {
            "name": "small",
            "summary": "for tests",
            "source": "tests",
            "generator": {"kind": "half-resolution", "channels": 8, "blocks": 1},
            "data": {
                "hr_crop_px": 32,
                "batch_size": 2,
                "degradations": {"paper": 1.0, "bicubic": 1.0, "real": 1.0},
            },
            "loss": [{"kind": "charbonnier"}],
            "optimiser": {"warmup_steps": 2},
            "run": {"steps": 6, "epoch_steps": 3, "validation_crop_px": 64} | run,
        }
    )


@pytest.fixture
def make_recipe() -> Callable[..., Recipe]:
    """Builds the small recipe with changes to its `run` section."""
    return small_recipe


@pytest.fixture
def recipe() -> Recipe:
    return small_recipe()


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """scikit-image's astronaut, (512, 512, 3) uint8 RGB."""
    return astronaut()


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory, portrait: np.ndarray) -> Path:
    """Four 128x128 crops of a photograph, in FFHQ's layout."""
    folder = tmp_path_factory.mktemp("faces")
    for index in range(4):
        crop = portrait[64 * index : 64 * index + 128, 160:288]
        target = folder / "images1024x1024" / "00000" / f"{index:05}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(crop).save(target)
    return folder
