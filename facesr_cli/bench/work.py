"""What a network does for one photograph: multiply-adds and values moved, counted from its graph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx
from onnx import TensorProto

_COUNTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")

_Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one run of a graph costs."""

    multiply_adds: int
    """Of convolutions and matrix products; additions, activations and shuffles count nothing."""
    values_moved: int
    """Inputs, weights and outputs of the same operators, each once: the least that passes through memory
    where every other operator is fused into a neighbour and no cache holds a whole picture."""

    @property
    def gflop(self) -> float:
        """10^9 floating-point operations, two to a multiply-add."""
        return 2 * self.multiply_adds / 1e9

    def gbyte(self, precision: str) -> float:
        """10^9 bytes moved where values are kept in `precision`: `fp32`, or one of 16 bits."""
        return self.values_moved * (4 if precision == "fp32" else 2) / 1e9


def count_work(proto: onnx.ModelProto, height: int, width: int) -> Work | None:
    """Count one run of `proto` on a picture of `height` x `width` pixels.

    Args:
        proto: A graph with one input (1, 3, H, W); `proto` itself is left alone.
        height: Height of the input in pixels, as padded for the network.
        width: Its width.

    Returns:
        None where it cannot be known from the graph: operators in branches or loops, shapes that depend on
        values, or an input of another fixed size.
    """
    shapes = _shapes(proto, (1, 3, height, width))
    if shapes is None:
        return None
    multiply_adds = values_moved = 0
    for node in proto.graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            return None
        if node.op_type not in _COUNTED:
            continue
        names = [*node.input[:2], node.output[0]]
        if any(name not in shapes for name in names):
            return None
        source, weights, target = (shapes[name] for name in names)
        multiply_adds += _multiply_adds(node, source, weights, target)
        values_moved += sum(map(math.prod, (source, weights, target)))
    return Work(multiply_adds=multiply_adds, values_moved=values_moved)


def _multiply_adds(
    node: onnx.NodeProto, source: tuple[int, ...], weights: tuple[int, ...], target: tuple[int, ...]
) -> int:
    # Definitions: https://onnx.ai/onnx/operators/ (weights of Conv are (M, C/group, kH, kW), those of
    # ConvTranspose (C, M/group, kH, kW)).
    if node.op_type == "Conv":
        return math.prod(target) * math.prod(weights[1:])
    if node.op_type == "ConvTranspose":
        return math.prod(source) * math.prod(weights[1:])
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return math.prod(target) * source[0 if transposed else -1]


def _shapes(proto: onnx.ModelProto, size: tuple[int, ...]) -> _Shapes | None:
    """Shape of every value whose shape is known; None where the input has another size."""
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    graph = model.graph
    weights: _Shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    source = next(value for value in graph.input if value.name not in weights)
    dims = source.type.tensor_type.shape.dim
    fixed = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    if any(have not in (None, 0, want) for have, want in zip(fixed[2:], size[2:], strict=False)):
        return None
    element = source.type.tensor_type.elem_type or TensorProto.FLOAT
    source.CopyFrom(onnx.helper.make_tensor_value_info(source.name, element, size))
    # What the exporter wrote there has symbols in it, which inference would keep instead of numbers.
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = dict(weights)
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shape = value.type.tensor_type.shape
        if value.type.tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in shape.dim):
            shapes.setdefault(value.name, tuple(dim.dim_value for dim in shape.dim))
    return shapes
