"""Splits a graph in two, so that the convolutions run in a low precision and the rest around them does not.

bf16 has eight significant bits, as many as a pixel. That is enough for what a network adds to its enlarged
input, and too little for that input: rounded to bf16, white is off by up to half a level. So the arithmetic
goes to the provider, and the enlarged input, the sum and the pixels stay in float32 on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import helper

_ARITHMETIC = frozenset(("Conv", "ConvTranspose", "MatMul", "Gemm"))
_RANDOM = frozenset(
    (
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    )
)


def split(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, onnx.ModelProto] | None:
    """Divide `proto` into a body, with the chain of convolutions, and a tail, with all that follows.

    A convolution that neither follows nor leads to another (one that enlarges the input, beside a network)
    belongs to the tail. What no convolution has touched is computed in both, since it is cheap and would lose
    precision on the way.

    Args:
        proto: One input.

    Returns:
        The body, from the input to values between, and the tail, from the input and those values to the
        outputs of `proto`, which is left alone. None where there is no chain of convolutions, where nodes
        have graphs of their own, draw random numbers or stand in no topological order, or where onnx cannot
        tell the types of the values between.
    """
    nodes = list(proto.graph.node)
    if any(node.op_type in _RANDOM for node in nodes):
        return None  # what both parts compute would not be the same
    if any(attribute.type in _GRAPHS for node in nodes for attribute in node.attribute):
        return None
    producer = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    parents = [{producer[name] for name in node.input if name in producer} for node in nodes]
    if any(before and max(before) >= index for index, before in enumerate(parents)):
        return None
    arithmetic = {index for index, node in enumerate(nodes) if node.op_type in _ARITHMETIC}
    after = _after(parents, arithmetic)
    chained = {index for index in arithmetic if index in after}
    chained |= arithmetic & _before(parents, chained)
    body = chained | _before(parents, chained)
    if not chained:
        return None

    tail = set(range(len(nodes))) - body
    between: list[str] = []
    for index in reversed(range(len(nodes))):  # nodes are added on the way, always earlier ones
        if index not in tail:
            continue
        for name in nodes[index].input:
            if producer.get(name, -1) not in body:
                continue
            source = producer[name]
            if source in after or source in arithmetic:
                between += [name] if name not in between else []
            else:
                tail.add(source)
    known = _types(proto)
    outputs = {value.name for value in proto.graph.output}
    if outputs & {name for index in body for name in nodes[index].output} or not set(between) <= set(known):
        return None
    values = [known[name] for name in sorted(between)]
    first = _part(proto, sorted(body), [], values)
    second = _part(proto, sorted(tail), values, list(proto.graph.output))
    return first, second


@dataclass(frozen=True, slots=True)
class SplitSession:
    """Two sessions of onnxruntime, one behind the other, that are run as one."""

    body: Any
    tail: Any

    def run(
        self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]], run_options: Any = None
    ) -> list[NDArray[Any]]:
        """Return the outputs `names` of the tail; `feeds` is the input of both."""
        between = [value.name for value in self.body.get_outputs()]
        values = self.body.run(between, _wanted(self.body, feeds), run_options)
        after = {**_wanted(self.tail, feeds), **dict(zip(between, values, strict=True))}
        found: list[NDArray[Any]] = self.tail.run(list(names), after, run_options)
        return found


def _wanted(session: Any, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Those of `feeds` that `session` has inputs for."""
    names = {value.name for value in session.get_inputs()}
    return {name: value for name, value in feeds.items() if name in names}


_GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


def _after(parents: Sequence[set[int]], sources: set[int]) -> set[int]:
    """Nodes that follow one of `sources`, at whatever distance."""
    found: set[int] = set()
    for index, before in enumerate(parents):
        if before & (sources | found):
            found.add(index)
    return found


def _before(parents: Sequence[set[int]], targets: set[int]) -> set[int]:
    """Nodes that lead to one of `targets`, at whatever distance."""
    found: set[int] = set()
    for index in reversed(range(len(parents))):
        if index in targets or index in found:
            found |= parents[index]
    return found


def _types(proto: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """The values between nodes of which onnx can tell type and number of dimensions, of whatever size."""
    bare = onnx.ModelProto()
    bare.CopyFrom(proto)
    # What the file says of its inner values may be of another size; as inputs they would be held to it.
    bare.graph.ClearField("value_info")
    try:
        inferred = onnx.shape_inference.infer_shapes(bare).graph.value_info
    except onnx.shape_inference.InferenceError:
        return {}
    return {
        value.name: helper.make_tensor_value_info(
            value.name, value.type.tensor_type.elem_type, [None] * len(value.type.tensor_type.shape.dim)
        )
        for value in inferred
        if value.type.tensor_type.HasField("shape")
    }


def _part(
    proto: onnx.ModelProto,
    indices: Sequence[int],
    more_inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """A model of the nodes `indices`, with the weights that they use."""
    part = onnx.ModelProto()
    part.CopyFrom(proto)
    graph = part.graph
    nodes = [proto.graph.node[index] for index in indices]
    used = {name for node in nodes for name in node.input}
    for field in ("node", "initializer", "sparse_initializer", "value_info", "input", "output"):
        graph.ClearField(field)
    graph.node.extend(nodes)
    graph.initializer.extend(tensor for tensor in proto.graph.initializer if tensor.name in used)
    graph.sparse_initializer.extend(
        tensor for tensor in proto.graph.sparse_initializer if tensor.values.name in used
    )
    graph.input.extend(value for value in proto.graph.input if value.name in used)
    graph.input.extend(more_inputs)
    graph.output.extend(outputs)
    return part
