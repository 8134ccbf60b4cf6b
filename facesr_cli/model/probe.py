"""Finds out what a third-party network does by running it once or twice on a small picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from facesr_cli.errors import ModelError
from facesr_cli.model.onnxfile import Interface
from facesr_cli.model.providers import require_onnxruntime

MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
"""Size granularities that networks with pixel-unshuffle, strides or windows ask for."""

_SMALLEST = 24


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probe run found."""

    scale: int
    multiple: int
    interface: Interface
    """As given, with `batch` set to 1 where the graph turned out to run one image only."""


def probe(proto: onnx.ModelProto, interface: Interface, path: Path) -> Probe:
    """Run `proto` on noise and compare sizes.

    Sizes that are odd multiples of 1, 2, 4 ... 64 are tried in turn, and the first that is enlarged exactly
    by one whole factor tells scale and multiple.

    Raises:
        ModelError: It cannot be run, does not enlarge, or works on another range of values than [0,1].
    """
    session = _open(proto, path)
    fault = "its output has another shape than (N, 3, scale * H, scale * W)"
    for multiple, batch, height, width in _attempts(interface):
        image = _noise(batch, height, width, interface.input_type)
        try:
            output = session.run(None, {interface.input_name: image})[0]
        # onnxruntime's exceptions share no base class; a failed attempt is what the probe is looking for.
        except Exception as error:
            fault = _first_line(error)
            continue
        scale = _scale(image.shape, output.shape)
        if scale is None:
            fault = f"an input of shape {image.shape} gives an output of shape {output.shape}"
            continue
        if scale < 2:
            raise ModelError(f"{path}: not an upscaler: its output has the size of its input.")
        _check_range(np.asarray(output, np.float32), path)
        return Probe(scale, multiple, replace(interface, batch=batch if batch == 1 else interface.batch))
    raise ModelError(f"{path}: not an upscaler of RGB pictures: {fault}.")


def _open(proto: onnx.ModelProto, path: Path) -> Any:
    onnxruntime = require_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures of an attempt are results here, and reported as such
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    # Same boundary: whatever onnxruntime has against the graph becomes one typed error.
    except Exception as error:
        raise ModelError(f"{path}: onnxruntime cannot load it: {_first_line(error)}.") from error


def _attempts(interface: Interface) -> Iterator[tuple[int, int, int, int]]:
    """(multiple, N, H, W) to try, in order; two images first where N is free, to see whether it truly is."""
    fixed = interface.height is not None and interface.width is not None
    for multiple in (1,) if fixed else MULTIPLES:
        side = multiple * (
            -(-_SMALLEST // multiple) | 1
        )  # an odd number of multiples, so that 2 is not taken for 1
        height = interface.height or side
        width = interface.width or side + 2 * multiple
        for batch in (2, 1) if interface.batch is None else (interface.batch,):
            yield multiple, batch, height, width


def _noise(batch: int, height: int, width: int, element: int) -> NDArray[Any]:
    """(N,3,H,W) float32 or float16 in [0.25, 0.75]: mid-grey with fine noise, the same in every run."""
    random = np.random.default_rng(0)
    values = random.uniform(0.25, 0.75, (batch, 3, height, width))
    return values.astype(np.float16 if element == onnx.TensorProto.FLOAT16 else np.float32)


def _scale(source: tuple[int, ...], target: tuple[int, ...]) -> int | None:
    if len(target) != 4 or target[:2] != source[:2]:
        return None
    scale = target[2] // source[2]
    return scale if target[2:] == (scale * source[2], scale * source[3]) else None


def _check_range(output: NDArray[np.float32], path: Path) -> None:
    mean = float(output.mean())
    if not -1.0 < mean < 2.0:
        raise ModelError(
            f"{path}: a mid-grey picture comes out with a mean of {mean:.3g}. Networks are run on RGB in "
            "[0,1]; this one seems to use another range, or is broken."
        )


def _first_line(error: Exception) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line if len(line) <= 300 else line[:297] + "..."
