"""Photographs and a stand-in upscaler for the tests of the bench room and of its command."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut

from facesr_cli.errors import UpscaleFailedError


@dataclass
class NearestUpscaler:
    """Repeats pixels; has what the bench room reads of an `Upscaler`."""

    name: str = "nearest"
    scale: int = 2
    batch_size: int = 2
    fails_on_mean: float | None = None
    """Photographs of this mean, in levels, fail."""
    batches: list[int] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        self.info = SimpleNamespace(name=self.name, version="1.0", digest="sha256:00", scale=self.scale)
        self.repeated: tuple[int, ...] = ()
        self.approximated: tuple[int, ...] = ()
        self.provider = SimpleNamespace(
            requested="auto",
            key="cpu",
            actual="CPUExecutionProvider",
            device="test device",
            precision="fp32",
            warning="",
        )

    def upscale(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.fails_on_mean is not None and abs(float(image.mean()) - self.fails_on_mean) < 0.5:
            raise UpscaleFailedError("inference-failed", "the stand-in does not like this photograph")
        return image.repeat(self.scale, axis=0).repeat(self.scale, axis=1)

    def upscale_batch(self, images: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        self.batches.append(len(images))
        return [self.upscale(image) for image in images]

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def small_speed_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of four photographs, tiny convolutions, and work for stand-ins that have no graph."""
    from facesr_cli.bench import end_to_end, limit, speed
    from facesr_cli.bench.work import Work

    monkeypatch.setattr(end_to_end, "FEWEST", 4)
    monkeypatch.setattr(end_to_end, "MOST", 4)
    monkeypatch.setattr(limit, "CPU_CONVOLUTIONS", (limit.Convolution(4, 16), limit.Convolution(8, 16)))
    monkeypatch.setattr(limit, "COPY_VALUES", 1 << 12)
    monkeypatch.setattr(limit, "REPEATS", 1)
    monkeypatch.setattr(speed, "work_of", lambda *_: Work(multiply_adds=10**6, values_moved=10**3))


@pytest.fixture(scope="session")
def face() -> NDArray[np.uint8]:
    """(96, 96, 3) uint8 RGB: the face of the astronaut."""
    return np.ascontiguousarray(astronaut()[64:160, 176:272])


@pytest.fixture
def portraits(tmp_path: Path, face: NDArray[np.uint8]) -> Path:
    """A folder with three photographs of 64x64, one of them in a sub-folder."""
    folder = tmp_path / "portraits"
    (folder / "more").mkdir(parents=True)
    for name, top in (("a.png", 0), ("b.png", 16), ("more/c.png", 32)):
        Image.fromarray(face[top : top + 64, 16:80]).save(folder / name)
    return folder


@pytest.fixture
def upscaler() -> NearestUpscaler:
    return NearestUpscaler()


@pytest.fixture
def upscaler_class() -> type[NearestUpscaler]:
    return NearestUpscaler
