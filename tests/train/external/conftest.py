"""Trained networks where their extra is installed, seeded stand-ins of the same shape everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from facesr_cli.errors import MissingExtraError
from facesr_train.external.dlib_face import DlibFace, FaceFeatures
from facesr_train.external.frozen import FrozenNetwork
from facesr_train.external.lite0 import Lite0

ASTRONAUT = Path(__file__).parents[3] / "examples" / "astronaut-512.png"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for these tests alone."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACESR_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def astronaut() -> Tensor:
    """(1, 3, 512, 512) float32 RGB, [0, 1]."""
    with Image.open(ASTRONAUT) as image:
        levels = np.asarray(image.convert("RGB"), np.float32)
    return torch.from_numpy(levels / 255).permute(2, 0, 1)[None]


def with_signal(network):
    """Fresh weights that keep the size of features from layer to layer (He et al. 2015)."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=random)
    return network


class SmallFace(FrozenNetwork):
    """What `DlibFace` gives, from one convolution for each, so that losses are tested in no time."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 8, 8)
        self.second = nn.Conv2d(64, 128, 2, 2)
        self.freeze()

    def forward(self, images: Tensor, *, embedding: bool = True) -> FaceFeatures:
        middle = self.first(images).relu()
        late = self.second(middle).relu()
        return FaceFeatures(middle, late, late.mean((2, 3)) if embedding else None)


class SmallStages(FrozenNetwork):
    """Five stages, as `Lite0` gives them, each from one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Conv2d(3 if i == 0 else 8, 8, 2, 2) for i in range(5)])
        self.freeze()

    def forward(self, images: Tensor, taps: int) -> tuple[Tensor, ...]:
        features = [images]
        for stage in self.stages[:taps]:
            features.append(stage(features[-1]))
        return tuple(features[1:])


@pytest.fixture(scope="session")
def small_face() -> SmallFace:
    return with_signal(SmallFace())


@pytest.fixture(scope="session")
def small_stages() -> SmallStages:
    return with_signal(SmallStages())


@pytest.fixture(scope="session")
def random_lite0() -> Lite0:
    return with_signal(Lite0())


@pytest.fixture(scope="session")
def random_dlib_face() -> DlibFace:
    return with_signal(DlibFace())


@pytest.fixture(scope="session")
def lite0() -> Lite0:
    try:
        return Lite0.build()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def dlib_face() -> DlibFace:
    try:
        return DlibFace.build()
    except MissingExtraError as error:
        pytest.skip(str(error))
