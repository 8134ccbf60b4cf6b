"""Estimates the memory that a network needs for each input pixel, from its graph alone."""

from __future__ import annotations

import math
from collections import Counter

import onnx
from onnx import TensorProto, helper, shape_inference

from facesr_cli.model.onnxfile import Interface

_SIDE_PX = 256
"""Side of the picture that is counted through: a multiple of what any network asks for."""

_EDGE_BYTES = 24
"""Float copies of a pixel where integers are attached (`graph.attach_integer_io`): two of 3 x 4 bytes."""


def bytes_per_pixel(
    proto: onnx.ModelProto, interface: Interface, *, scale: int, precision: str
) -> float | None:
    """Most bytes that live at once while `proto` runs, for each pixel (height times width) of its input.

    Tensors count from the node that makes them to the last one that reads them; weights and the workspaces of
    convolutions are left out.

    Args:
        proto: The float network, as read.
        interface: Of `proto`.
        scale: Output pixels per input pixel and side.
        precision: `fp16` and `bf16` halve floats.

    Returns:
        None where the shape of a tensor cannot be inferred.
    """
    height, width = interface.height or _SIDE_PX, interface.width or _SIDE_PX
    sizes = _tensor_bytes(proto, interface, (interface.batch or 1, 3, height, width), precision)
    weights = {tensor.name for tensor in proto.graph.initializer}
    readers = Counter(name for node in proto.graph.node for name in set(node.input))
    readers.update(value.name for value in proto.graph.output)  # never let go
    live = peak = sizes.get(interface.input_name, 0)
    for node in proto.graph.node:
        made = [name for name in node.output if name]
        if any(name not in sizes for name in made):
            return None
        live += sum(sizes[name] for name in made)
        peak = max(peak, live)
        for name in set(node.input) - weights:
            readers[name] -= 1
            if readers[name] == 0:
                live -= sizes.get(name, 0)
    pixels = (interface.batch or 1) * height * width
    return peak / pixels + _EDGE_BYTES * (1 + scale * scale)


def _tensor_bytes(
    proto: onnx.ModelProto, interface: Interface, shape: tuple[int, ...], precision: str
) -> dict[str, int]:
    """Bytes of every tensor whose shape is known for an input of `shape`."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for value in [*copy.graph.input, *copy.graph.output]:
        if value.name == interface.input_name:
            value.CopyFrom(helper.make_tensor_value_info(value.name, interface.input_type, shape))
        elif value.name == interface.output_name:
            value.type.tensor_type.ClearField("shape")
    try:
        inferred = shape_inference.infer_shapes(copy, data_prop=True)
    except shape_inference.InferenceError:
        return {}
    float_bytes = 4 if precision == "fp32" else 2
    sizes = {}
    for value in [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]:
        tensor = value.type.tensor_type
        if not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            continue
        element = float_bytes
        if tensor.elem_type != TensorProto.FLOAT:
            element = helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
        sizes[value.name] = element * math.prod(dim.dim_value for dim in tensor.shape.dim)
    return sizes
