"""A nearest-neighbour stand-in for the network, and small photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_cli.batch import Report, Settings, run_batch


@dataclass
class NearestUpscaler:
    """Repeats every pixel; `broken` says which pictures, or whole batches, make it fail."""

    digest: str = "sha256:stand-in"
    scale: int = 2
    batch_size: int = 2
    broken: Callable[[Sequence[Any]], BaseException | None] = lambda _images: None
    batches: list[list[tuple[int, ...]]] = field(default_factory=list)
    closed: bool = False
    repeated: tuple[int, ...] = ()
    approximated: tuple[int, ...] = ()

    @property
    def info(self) -> SimpleNamespace:
        return SimpleNamespace(name="nearest", version="1.0", scale=self.scale, digest=self.digest)

    @property
    def provider(self) -> SimpleNamespace:
        return SimpleNamespace(requested="auto", actual="StandInProvider", precision="fp32")

    def upscale_batch(self, images: Sequence[Any]) -> list[Any]:
        self.batches.append([image.shape for image in images])
        error = self.broken(images)
        if error is not None:
            raise error
        return [image.repeat(self.scale, axis=0).repeat(self.scale, axis=1) for image in images]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def upscaler() -> NearestUpscaler:
    return NearestUpscaler()


@pytest.fixture
def run(upscaler: NearestUpscaler) -> Callable[..., Report]:
    """Run a batch with the stand-in: `run(directory, out=..., existing=...)`."""

    def run(*inputs: Path, **flags: Any) -> Report:
        settings = Settings(inputs=inputs, workers=flags.pop("workers", 2), **flags)
        return run_batch(settings, upscaler_factory=lambda _settings: upscaler)

    return run


@pytest.fixture
def photograph() -> Callable[..., Path]:
    """Write a small photograph of noise; another `seed` gives another one."""

    def write(path: Path, *, width: int = 12, height: int = 8, seed: int = 0, **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, **options)
        return path

    return write


@pytest.fixture
def album(tmp_path: Path, photograph: Callable[..., Path]) -> Path:
    """Five photographs of three kinds in a tree, with some junk."""
    directory = tmp_path / "album"
    photograph(directory / "a.png")
    photograph(directory / "b.JPG", seed=1)
    photograph(directory / "sub" / "a.png", seed=2, width=10)
    photograph(directory / "sub" / "deep er" / "ü.webp", seed=3)
    photograph(directory / "z.tiff", seed=4)
    (directory / "notes.txt").write_text("not a photograph")
    (directory / ".hidden.png").write_bytes(b"")
    (directory / "Thumbs.db").write_bytes(b"")
    return directory


def tree(directory: Path) -> dict[str, bytes]:
    """Return every file below `directory`, the journal left out."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != ".facesr-journal.jsonl"
    }


@pytest.fixture(name="tree")
def tree_fixture() -> Callable[[Path], dict[str, bytes]]:
    return tree
