"""Photographs for measurements of speed, made from `examples/astronaut-512.png`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "astronaut-512.png"

_NOISE_LEVELS = 4
_QUALITY = 95


def photograph(height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Return (height, width, 3) uint8 RGB: the example resized, mirrored by chance, shifted, with noise.

    The noise keeps encoders as busy as grain does; without it an enlarged photograph is too smooth.

    Args:
        height: In pixels.
        width: In pixels.
        seed: Another one gives another photograph.
    """
    random = np.random.default_rng(seed)
    with Image.open(EXAMPLE) as opened:
        picture = opened.convert("RGB")
    if random.integers(2):
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    left, top = (int(number) for number in random.integers(0, picture.width // 8, 2))
    side = picture.width - picture.width // 8
    cut = picture.crop((left, top, left + side, top + side)).resize((width, height), Image.Resampling.BICUBIC)
    noise = random.integers(-_NOISE_LEVELS, _NOISE_LEVELS + 1, (height, width, 1), dtype=np.int16)
    pixels: NDArray[np.uint8] = np.clip(np.asarray(cut) + noise, 0, 255).astype(np.uint8)
    return pixels


def write_jpegs(folder: Path, count: int, side_px: int, *, different: int = 16) -> list[Path]:
    """Write `count` square JPEGs (quality 95, 4:2:0) into a new folder; after `different` they repeat."""
    folder.mkdir(parents=True)
    data: list[bytes] = []
    paths = []
    for index in range(count):
        path = folder / f"{index:05d}.jpg"
        if index < different:
            image = Image.fromarray(photograph(side_px, side_px, seed=index))
            image.save(path, quality=_QUALITY, subsampling="4:2:0")
            data.append(path.read_bytes())
        else:
            path.write_bytes(data[index % different])
        paths.append(path)
    return paths
