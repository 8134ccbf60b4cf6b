"""The recipes of the literature at a size that trains in a second, and stand-ins for trained weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from facesr_train.external.dlib_face import DlibFace, FaceFeatures
from facesr_train.external.frozen import FrozenNetwork
from facesr_train.external.lite0 import Lite0
from facesr_train.losses.rank import Ranker, save_ranker
from facesr_train.recipe import Recipe, load_recipe, recipe_from_dict

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "astronaut-512.png"
FRAME_PX = 224
"""Side of the photographs: the least multiple of 32 in which dlib's windows find place."""

SMALL_VGG = {"channels": 2, "crop_px": 64}
SMALL_SRRESNET = {"channels": 4, "blocks": 1, "outer_kernel_px": 3}
SMALL_RRDB = {"channels": 4, "growth": 2, "blocks": 1}
TINY: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {
        "generator": {"widths": [8, 8], "tail_widths": [8]},
        "data": {"hr_crop_px": FRAME_PX},
    },
    "paper-l1": {"generator": {"widths": [8, 8], "tail_widths": [8]}},
    "srresnet": {"generator": SMALL_SRRESNET},
    "srgan": {"generator": SMALL_SRRESNET, "discriminator": SMALL_VGG},
    "ragan-face": {"generator": SMALL_SRRESNET, "discriminator": SMALL_VGG},
    "transfergan": {"generator": SMALL_RRDB, "discriminator": SMALL_VGG},
    "ip-fsrgan": {
        "generator": SMALL_SRRESNET,
        "discriminator": SMALL_VGG,
        "data": {"hr_crop_px": FRAME_PX},
    },
    "ca-esrgan": {"generator": SMALL_RRDB, "discriminator": SMALL_VGG},
    "eegan": {
        "generator": {"channels": 4, "blocks": 1, "edge_blocks": 1},
        "discriminator": {"channels": 2, "hidden": 4},
    },
    "ranksrgan": {"generator": SMALL_SRRESNET, "discriminator": SMALL_VGG},
    "fdpl": {"generator": {"widths": [4, 4]}},
    "edge": {"generator": SMALL_SRRESNET},
    "msg-capsgan": {
        "generator": {"channels": 4},
        "discriminator": {"channels": 8, "crop_px": 96},
        "data": {"hr_crop_px": 96},
    },
}
"""What is changed in each recipe, beside what all have in common."""
NAMES = sorted(TINY)


class Stages(FrozenNetwork):
    """Five stages in the places of those of `Lite0`, each from one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Conv2d(3 if i == 0 else 4, 4, 2, 2) for i in range(4)])
        self.stages.append(nn.Conv2d(4, 4, 1))
        self.freeze()

    def forward(self, images: Tensor, taps: int) -> tuple[Tensor, ...]:
        features = [images]
        for stage in self.stages[:taps]:
            features.append(stage(features[-1]))
        return tuple(features[1:])


class Face(FrozenNetwork):
    """What `DlibFace` gives, each from one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 8, 8)
        self.second = nn.Conv2d(8, 8, 2, 2)
        self.freeze()

    def forward(self, images: Tensor, *, embedding: bool = True) -> FaceFeatures:
        middle = self.first(images)
        late = self.second(middle)
        return FaceFeatures(middle, late, late.mean((2, 3)) if embedding else None)


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """The public example, (512, 512, 3) uint8 RGB."""
    with Image.open(EXAMPLE) as picture:
        return np.array(picture.convert("RGB"))


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> list[FrozenNetwork]:
    """Seeded networks take the places of the trained ones; gives those that were built."""
    built: list[FrozenNetwork] = []

    def build(kind: type[FrozenNetwork]) -> Callable[[type], FrozenNetwork]:
        def make(cls: type) -> FrozenNetwork:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(5)
                built.append(kind())
            return built[-1]

        return make

    monkeypatch.setattr(Lite0, "build", classmethod(build(Stages)))
    monkeypatch.setattr(DlibFace, "build", classmethod(build(Face)))
    return built


@pytest.fixture(scope="session")
def ranker_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        path = tmp_path_factory.mktemp("ranker") / "ranker.npz"
        save_ranker(path, Ranker(2))
    return path


@pytest.fixture(scope="session")
def tiny(ranker_file: Path) -> Callable[..., Recipe]:
    """Builds a recipe at tiny size: `tiny("srgan", steps=2, optimiser={...})`."""

    def make(name: str, *, steps: int = 4, **changes: dict[str, Any]) -> Recipe:
        values = load_recipe(name).to_dict()
        common = {
            "data": {"hr_crop_px": 64, "batch_size": 2},
            "run": {
                "steps": steps,
                "epoch_steps": 2,
                "validation_photographs": 1,
                "validation_crop_px": 64,
            },
        }
        for table in (common, TINY[name], changes):
            for section, entries in table.items():
                values[section] = values[section] | entries
        for term in values["loss"]:
            if term["kind"] == "rank":
                term["ranker"] = str(ranker_file)
        return recipe_from_dict(values)

    return make


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory, portrait: np.ndarray) -> Iterator[Path]:
    """Four photographs of 224x224."""
    folder = tmp_path_factory.mktemp("frames")
    for index in range(4):
        top, left = 40 * index, 30 * index + 60
        crop = portrait[top : top + FRAME_PX, left : left + FRAME_PX]
        Image.fromarray(crop).save(folder / f"{index}.png")
    yield folder
