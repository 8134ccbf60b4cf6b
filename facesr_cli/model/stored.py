"""Weights stored in half precision: what a file holds, and how ours become plain float32 when one is read."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

_NAMES = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}


def stored_type(proto: onnx.ModelProto) -> str:
    """Type of most floating-point values among the initialisers, e.g. `float16`; empty without any."""
    values: Counter[str] = Counter()
    for tensor in proto.graph.initializer:
        if tensor.data_type in _NAMES:
            values[_NAMES[tensor.data_type]] += int(np.prod(tensor.dims, dtype=np.int64))
    return max(values, key=lambda name: values[name], default="")


def restore_float32(proto: onnx.ModelProto) -> None:
    """Turn each float16 initialiser that a Cast widens to float32 into a float32 one, in place.

    `export --weights fp16` writes such pairs, named `WEIGHT.float16` and `WEIGHT`. Only files that carry
    `facesr.contract` are changed, and only initialisers with one reader, so that no file grows beyond twice
    its size.

    Raises:
        ValueError: An initialiser holds less data than its shape asks for.
    """
    if not any(entry.key == "facesr.contract" for entry in proto.metadata_props):
        return
    readers = Counter(name for node in proto.graph.node for name in node.input)
    halves = {
        tensor.name: tensor
        for tensor in proto.graph.initializer
        if tensor.data_type == TensorProto.FLOAT16 and readers[tensor.name] == 1
    }
    kept = []
    for node in proto.graph.node:
        widens = node.op_type == "Cast" and any(
            attribute.name == "to" and attribute.i == TensorProto.FLOAT for attribute in node.attribute
        )
        tensor = halves.get(next(iter(node.input), ""))
        if not widens or tensor is None:
            kept.append(node)
            continue
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, node.output[0]))
    if len(kept) < len(proto.graph.node):
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)
