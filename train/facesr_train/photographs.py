"""The training photographs: found in any folder, decoded once, held as uint8 in memory or in one file."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from facesr_cli.errors import TrainingError
from facesr_cli.model.hardware import usable_cpus

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})

HELD_OUT_SHARE = 0.05
"""Share of photographs kept for validation where the folder has no `val` of its own."""


@dataclass(frozen=True, slots=True)
class Split:
    """Paths to train on and to validate on; no path is in two of the three."""

    train: tuple[Path, ...]
    val: tuple[Path, ...]
    test: tuple[Path, ...] = ()
    """Set aside: read by nobody here."""


def find_photographs(folder: Path) -> Split:
    """Photographs below `folder`: from its `train` and `val` where it has both, else split by name.

    Without such folders about one photograph in twenty is held out, chosen by a hash of its relative path,
    so that the split is the same on every machine and stays when photographs are added. Any tree works,
    FFHQ's `images1024x1024/00000/00000.png` included.

    Raises:
        TrainingError: The folder does not exist or has fewer than two photographs.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder; name a folder of face photographs with --data")
    if (folder / "train").is_dir() and (folder / "val").is_dir():
        split = Split(walk(folder / "train"), walk(folder / "val"))
    else:
        paths = walk(folder)
        ranked = sorted(paths, key=lambda path: _hash(path.relative_to(folder)))
        held_out = frozenset(ranked[: max(1, round(len(ranked) * HELD_OUT_SHARE))])
        split = Split(
            tuple(path for path in paths if path not in held_out),
            tuple(path for path in paths if path in held_out),
        )
    if not split.train or not split.val:
        raise TrainingError(
            f"{folder}: {len(split.train)} photographs to train on and {len(split.val)} to validate on; "
            f"at least one of each is needed ({', '.join(sorted(SUFFIXES))})"
        )
    return split


def load_photographs(
    paths: Sequence[Path], *, max_side_px: int, min_side_px: int, spill: Path, on_skip: Callable[[str], None]
) -> list[Tensor]:
    """Decode photographs to (3, H, W) uint8 RGB tensors on the CPU.

    A photograph whose shorter side exceeds `max_side_px` is reduced to it with Lanczos. One that cannot be
    decoded, or whose shorter side is below `min_side_px`, is passed over and reported through `on_skip`.
    Where they would fill more than half of the free memory, their samples go to the file `spill` and the
    tensors are views of it, so that the operating system keeps in memory what fits.

    Raises:
        TrainingError: No photograph is left.
    """

    spilled = _estimated_bytes(paths, max_side_px) > _free_memory_bytes() // 2

    def load(path: Path) -> NDArray[np.uint8] | str:
        try:
            pixels = read_photograph(path, max_side_px=max_side_px)
        except (
            OSError,
            UnidentifiedImageError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
        ) as error:
            return f"{path}: left out, cannot be read ({error})"
        if min(pixels.shape[:2]) < min_side_px:
            return f"{path}: left out, smaller than a training crop of {min_side_px} px"
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    store = _SpillStore(spill) if spilled else _MemoryStore()
    for loaded in _in_order(load, paths):
        if isinstance(loaded, str):
            on_skip(loaded)
        else:
            store.add(loaded)
    photographs = store.tensors()
    if not photographs:
        raise TrainingError("no photograph could be used; see the lines above for the reasons")
    return photographs


def read_photograph(path: Path, *, max_side_px: int) -> NDArray[np.uint8]:
    """Decode one photograph upright: (H, W, 3) uint8 RGB, its shorter side at most `max_side_px`."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file).convert("RGB")
    shorter = min(image.size)
    if shorter > max_side_px:
        size = (round(image.width * max_side_px / shorter), round(image.height * max_side_px / shorter))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return np.array(image)


class _MemoryStore:
    """Keeps each photograph as a tensor of its own."""

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []

    def add(self, samples: NDArray[np.uint8]) -> None:
        """Keep (3, H, W) samples."""
        self._tensors.append(torch.from_numpy(samples))

    def tensors(self) -> list[Tensor]:
        """All that were added, in order."""
        return self._tensors


class _SpillStore:
    """Appends each photograph to one file and hands out tensors that view it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shapes: list[tuple[int, ...]] = []
        path.unlink(missing_ok=True)
        path.touch()

    def add(self, samples: NDArray[np.uint8]) -> None:
        """Keep (3, H, W) samples."""
        with self._path.open("ab") as file:
            file.write(samples.tobytes())
        self._shapes.append(samples.shape)

    def tensors(self) -> list[Tensor]:
        """All that were added, in order."""
        if not self._shapes:
            return []
        # Copy-on-write, because torch wants writable memory; nobody writes.
        samples = torch.from_numpy(np.memmap(self._path, dtype=np.uint8, mode="c"))
        sizes = [math.prod(shape) for shape in self._shapes]
        return [
            part.view(shape) for part, shape in zip(torch.split(samples, sizes), self._shapes, strict=True)
        ]


def _in_order(
    load: Callable[[Path], NDArray[np.uint8] | str], paths: Sequence[Path]
) -> Iterator[NDArray[np.uint8] | str]:
    """Decode a few dozen photographs ahead, so that a large set never piles up in memory."""
    with ThreadPoolExecutor(min(8, usable_cpus())) as pool:
        for start in range(0, len(paths), 32):
            yield from pool.map(load, paths[start : start + 32])


def _estimated_bytes(paths: Sequence[Path], max_side_px: int) -> int:
    """Bytes that the photographs will take, from their headers; unreadable ones count nothing."""
    total = 0
    for path in paths:
        try:
            with Image.open(path) as file:
                shorter, longer = sorted(file.size)
        except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        factor = min(1.0, max_side_px / shorter)
        total += round(3 * shorter * longer * factor * factor)
    return total


def _free_memory_bytes() -> int:
    """Memory that is available to this process, as far as the system tells."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 4 << 30  # systems that do not tell (Windows): assume a small machine


def walk(folder: Path) -> tuple[Path, ...]:
    """All photographs below `folder` by their suffixes, sorted."""
    return tuple(sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()))


def _hash(relative: Path) -> bytes:
    return hashlib.sha256(relative.as_posix().encode("utf-8", "surrogateescape")).digest()
