"""Attaches integer pixels to a float network, inside the graph: bytes, not floats, cross to the device."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facesr_cli.model.onnxfile import Interface

PixelType = Literal["uint8", "uint16"]

INPUT = "facesr.pixels"
OUTPUT = "facesr.upscaled"
MEANS = "facesr.means"

_ELEMENT = {"uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16}
_WHITE = {"uint8": 255.0, "uint16": 65535.0}
_CLIP_TAKES_INPUTS = 11
"""First opset in which Clip reads its limits from inputs instead of attributes."""
_REDUCE_TAKES_INPUTS = 18
"""First opset in which ReduceMean reads its axes from an input instead of an attribute."""


def attach_integer_io(proto: onnx.ModelProto, interface: Interface, pixel_type: PixelType) -> onnx.ModelProto:
    """Return `proto` with pixels in and out; `proto` itself is left alone.

    The new input `facesr.pixels` and output `facesr.upscaled` are (N,H,W,3) `pixel_type` RGB, full range.
    In: Cast to float32, Div by 255 or 65535, Transpose to (N,3,H,W). Out: Clip to [0,1], Mul, Add 0.5, Floor
    (halves are rounded up), Transpose, Cast. Every operator exists since opset 7, so old third-party graphs
    need no conversion; Round, which does not, would only differ on exact halves. All this is float32, around
    a float16 network too.

    Integers cannot say that the network's own numbers were not finite, so a second output `facesr.means`,
    (N,) float32, tells the mean of each picture before Clip: one undefined value makes it undefined.
    """
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    graph = result.graph
    source = next(value for value in graph.input if value.name == interface.input_name)
    dims = [dim.dim_param or dim.dim_value or None for dim in source.type.tensor_type.shape.dim]

    # Cast sits at the very edge because some providers take integers there and nowhere else.
    nodes_in = [
        _node("Cast", [INPUT], "facesr.in.float", to=TensorProto.FLOAT),
        _node("Div", ["facesr.in.float", "facesr.white"], "facesr.in.unit"),
        _node("Transpose", ["facesr.in.unit"], "facesr.in.planes", perm=[0, 3, 1, 2]),
        _node("Cast", ["facesr.in.planes"], interface.input_name, to=interface.input_type),
    ]
    clip_inputs, clip_limits = ["facesr.out.float"], {"min": 0.0, "max": 1.0}
    if interface.opset >= _CLIP_TAKES_INPUTS:
        clip_inputs, clip_limits = [*clip_inputs, "facesr.zero", "facesr.one"], {}
    mean_inputs, mean_axes = [], {"axes": [1, 2, 3]}
    if interface.opset >= _REDUCE_TAKES_INPUTS:
        mean_inputs, mean_axes = ["facesr.axes"], {}
    nodes_out = [
        _node("Cast", [interface.output_name], "facesr.out.float", to=TensorProto.FLOAT),
        _node("ReduceMean", ["facesr.out.float", *mean_inputs], MEANS, keepdims=0, **mean_axes),
        _node("Clip", clip_inputs, "facesr.out.unit", **clip_limits),
        _node("Mul", ["facesr.out.unit", "facesr.white"], "facesr.out.scaled"),
        _node("Add", ["facesr.out.scaled", "facesr.half"], "facesr.out.shifted"),
        _node("Floor", ["facesr.out.shifted"], "facesr.out.whole"),
        _node("Transpose", ["facesr.out.whole"], "facesr.out.interleaved", perm=[0, 2, 3, 1]),
        _node("Cast", ["facesr.out.interleaved"], OUTPUT, to=_ELEMENT[pixel_type]),
    ]
    body = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes_in, *body, *nodes_out])

    constants = {"facesr.white": _WHITE[pixel_type], "facesr.half": 0.5}
    if interface.opset >= _CLIP_TAKES_INPUTS:
        constants |= {"facesr.zero": 0.0, "facesr.one": 1.0}
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()
    )
    if interface.opset >= _REDUCE_TAKES_INPUTS:
        graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 3], np.int64), "facesr.axes"))
    # Old exporters list their weights as inputs too, which keeps onnxruntime from treating them as constants
    # (and lets it warn about each one).
    del graph.input[:]
    del graph.output[:]
    pixels: list[str | int | None] = [dims[0], dims[2], dims[3], 3] if dims else ["N", "H", "W", 3]
    graph.input.append(helper.make_tensor_value_info(INPUT, _ELEMENT[pixel_type], pixels))
    graph.output.append(helper.make_tensor_value_info(OUTPUT, _ELEMENT[pixel_type], ["n", "h", "w", 3]))
    graph.output.append(helper.make_tensor_value_info(MEANS, TensorProto.FLOAT, ["n"]))
    # IR 3 demands that every initialiser is an input; IR 4 is the first where it need not be.
    result.ir_version = max(result.ir_version, 4)
    return result


def _node(op_type: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs, [output], name=f"facesr/{output}", **attributes)
