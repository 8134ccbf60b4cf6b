"""Compares an ONNX graph in onnxruntime with its generator in torch, on a photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from facesr_export.conversion import INPUT_NAME, OUTPUT_NAME

TOLERANCE = 1e-4
"""Largest absolute difference allowed on values in [0, 1]; a fortieth of an 8-bit level."""

CASES: tuple[tuple[int, int, int], ...] = ((1, 512, 512), (1, 257, 131), (1, 33, 1), (3, 95, 161))
"""(N, H, W) of the inputs compared; sides that the network's multiple does not divide are padded to it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison."""

    shape: tuple[int, int, int]
    """N, H, W before padding."""
    difference: float
    """Worst absolute difference of the outputs."""


def compare(generator: nn.Module, model: onnx.ModelProto, *, multiple: int, scale: int) -> list[Case]:
    """Run every case through both and return the differences.

    Args:
        generator: In evaluation mode, float32, on the CPU.
        model: Its ONNX graph.
        multiple: Height and width are padded to it by repeating the edge, as the runtime does.
        scale: Expected ratio of output to input.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    photograph = example()
    return [_compare(generator, session, photograph, case, multiple, scale) for case in CASES]


def _compare(
    generator: nn.Module,
    session: object,
    photograph: NDArray[np.float32],
    case: tuple[int, int, int],
    multiple: int,
    scale: int,
) -> Case:
    count, height, width = case
    # Different parts of the photograph, so that images mixed up within a batch would show.
    crops = [photograph[:, 40 * i : 40 * i + height, 60 * i : 60 * i + width] for i in range(count)]
    image = torch.from_numpy(np.stack(crops))
    image = F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")
    with torch.no_grad():
        expected = generator(image).numpy()
    (actual,) = session.run([OUTPUT_NAME], {INPUT_NAME: image.numpy()})  # type: ignore[attr-defined]
    wanted = (count, 3, scale * image.shape[2], scale * image.shape[3])
    if actual.shape != wanted or expected.shape != wanted:
        return Case(case, float("inf"))
    difference = float(np.abs(actual.astype(np.float64) - expected).max())
    return Case(case, difference if np.isfinite(difference) else float("inf"))


def example() -> NDArray[np.float32]:
    """scikit-image's 512x512 portrait of an astronaut (NASA, public domain), (3, 512, 512) RGB in [0, 1]."""
    from skimage.data import astronaut

    photograph: NDArray[np.uint8] = astronaut()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(photograph.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)
