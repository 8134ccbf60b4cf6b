"""How far a network moves the brightness of pictures, so that `upscale` can tell its nature from a fault."""

from __future__ import annotations

import math

import numpy as np
import onnx
from numpy.typing import NDArray

from facesr_cli.model.network import MAX_DRIFT_LEVELS
from facesr_export.conversion import INPUT_NAME, OUTPUT_NAME
from facesr_export.parity import example

_SIDE_PX = 128
_GREYS = (0, 51, 102, 153, 204, 255)
"""8-bit levels of the plain pictures."""
_WHITE = 255


def drift_levels(model: onnx.ModelProto, *, multiple: int) -> int:
    """Most 8-bit levels between the mean of a picture and that of its enlargement, rounded up.

    Measured on plain greys and on a photograph, as it is, darkened and brightened.

    Args:
        model: A float network of any scale.
        multiple: Height and width are a multiple of it.

    Returns:
        0 for a network that stays within half of what `upscale` allows to all.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    side_px = _SIDE_PX + -_SIDE_PX % multiple
    photograph = example()[:, :side_px, :side_px]
    pictures = [np.full_like(photograph, level / _WHITE) for level in _GREYS]
    third = np.float32(1 / 3)
    pictures += [photograph, third * photograph, 1 - third * (1 - photograph)]
    worst = max(_drift(session, picture) for picture in pictures) * _WHITE
    return math.ceil(worst) if worst > MAX_DRIFT_LEVELS / 2 else 0


def _drift(session: object, picture: NDArray[np.float32]) -> float:
    (larger,) = session.run([OUTPUT_NAME], {INPUT_NAME: picture[np.newaxis]})  # type: ignore[attr-defined]
    return abs(float(np.clip(larger, 0, 1).mean()) - float(picture.mean()))
