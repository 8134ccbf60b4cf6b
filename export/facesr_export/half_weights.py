"""Stores the weights of convolutions in half precision; `facesr_cli.model.stored` restores them at load.

A Cast in the graph widens each to float32, so that any runtime computes in float32. Biases stay as they are:
they are few, and a rounded bias shifts a whole plane.
"""

from __future__ import annotations

import copy

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from facesr_cli.errors import ExportError
from facesr_train.generators.generator import Generator


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with `WEIGHT.float16` and a Cast in the place of each `WEIGHT` of a convolution.

    Raises:
        ExportError: A weight is larger than float16's largest number, 65504.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    weights = {node.input[1] for node in graph.node if node.op_type in ("Conv", "ConvTranspose")}
    casts = []
    for tensor in graph.initializer:
        if tensor.name not in weights or tensor.data_type != TensorProto.FLOAT:
            continue
        name, stored = tensor.name, f"{tensor.name}.float16"
        with np.errstate(over="ignore"):
            values = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(values).all():
            raise ExportError(f"{name} has values that half precision cannot hold; use --weights fp32")
        tensor.CopyFrom(numpy_helper.from_array(values, stored))
        casts.append(helper.make_node("Cast", [stored], [name], name=f"widen_{name}", to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    return result


def with_rounded_weights(network: Generator) -> Generator:
    """A copy of `network` whose convolutions have weights rounded to half precision, in float32."""
    rounded = copy.deepcopy(network)
    with torch.no_grad():
        for module in rounded.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                module.weight.copy_(module.weight.half().float())
    return rounded
