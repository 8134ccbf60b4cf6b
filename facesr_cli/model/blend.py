"""Mixes two partner networks into one, by interpolating the weights of equal graphs."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from facesr_cli.errors import ModelError

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


def blend(first: onnx.ModelProto, second: onnx.ModelProto, amount: float) -> onnx.ModelProto:
    """Return `first` with its weights moved towards those of `second`.

    Networks fine-tuned from one another can be mixed weight by weight (Wang et al., "Deep Network
    Interpolation for Continuous Imagery Effect Transition", arXiv:1811.10515).

    Args:
        first: What `amount` 0 gives, bit for bit.
        second: What `amount` 1 gives, bit for bit; the same graph with other floating-point initialisers.
        amount: 0 to 1.

    Raises:
        ModelError: The graphs differ in anything but the values of their floating-point initialisers.
    """
    if not 0.0 <= amount <= 1.0:
        raise ValueError(f"amount must be in 0..1, not {amount}")
    copies = sorted({_mirrorings(first), _mirrorings(second)})
    if len(copies) > 1:
        other = "the other is a single one" if copies[0] == 1 else f"the other over {copies[0]}"
        raise ModelError(
            f"the two networks are not partners: one averages over {copies[1]} mirrored inputs, {other}; "
            "export both with the same --self-ensemble"
        )
    if _skeleton(first) != _skeleton(second):
        raise ModelError("the two networks are not partners: their graphs differ")
    result = onnx.ModelProto()
    result.CopyFrom(first)
    if amount == 0.0:
        return result
    others = {tensor.name: tensor for tensor in second.graph.initializer}
    for tensor in result.graph.initializer:
        if tensor.data_type not in _FLOATS:
            continue
        other = others[tensor.name]
        if amount == 1.0:
            tensor.CopyFrom(other)
            continue
        a, b = numpy_helper.to_array(tensor), numpy_helper.to_array(other)
        mixed = a.astype(np.float64) * (1.0 - amount) + b.astype(np.float64) * amount
        tensor.CopyFrom(numpy_helper.from_array(mixed.astype(a.dtype), tensor.name))
    return result


def _mirrorings(proto: onnx.ModelProto) -> int:
    """What `facesr.mirrorings` says, 1 where it says nothing that can be read."""
    stated = next((entry.value for entry in proto.metadata_props if entry.key == "facesr.mirrorings"), "")
    return int(stated) if stated.isdecimal() else 1


def _skeleton(proto: onnx.ModelProto) -> bytes:
    """Serialised graph without the weights that may differ, and without names of people, places and tools."""
    graph = onnx.GraphProto()
    graph.CopyFrom(proto.graph)
    graph.name = ""
    graph.doc_string = ""
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for tensor in graph.initializer:
        tensor.doc_string = ""
        if tensor.data_type in _FLOATS:
            for field in ("raw_data", "float_data", "int32_data", "double_data"):
                tensor.ClearField(field)
    # Exporters may list the same weights in another order.
    tensors = sorted(graph.initializer, key=lambda tensor: tensor.name)
    del graph.initializer[:]
    graph.initializer.extend(tensors)
    versions = sorted((entry.domain, entry.version) for entry in proto.opset_import)
    return repr(versions).encode() + bytes(graph.SerializeToString(deterministic=True))
