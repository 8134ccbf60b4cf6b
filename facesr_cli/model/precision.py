"""Lowers the precision of a network's arithmetic inside its graph."""

from __future__ import annotations

import onnx


def to_float16(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return `proto` with weights, arithmetic, input and output in float16; `proto` itself is left alone.

    Operators on onnxruntime's block list (Resize among them) stay in float32 between casts. Pixels are
    attached afterwards, in float32 (`graph.attach_integer_io`), so dividing by 65535 loses nothing.
    """
    from onnxruntime.transformers.float16 import (
        convert_float_to_float16,
    )  # not needed on a CPU, slow to import

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    converted: onnx.ModelProto = convert_float_to_float16(copy, keep_io_types=False)
    return converted
