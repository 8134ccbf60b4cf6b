"""Keeps an upscaled picture from overshooting beside hard edges, inside the graph.

A network that was trained to take blur away puts a halo along an edge that is sharp already, as text and
lines drawn by a computer have it. Where the input has flat ground on the bright side of an edge, a halo shows
as values above all of the input around; where the ground is dark, as values below. So for each pixel and
channel of the input

    M, m = largest and smallest value of its 5x5 surroundings
    O    = largest value that a whole cross of a pixel and its four neighbours reaches, of the 25 crosses
           centred there
    C    = smallest value that a whole cross does not exceed

    lowest  = m - CONTRAST (M - m) - SLOPE (C - m) - LEVEL
    highest = M + CONTRAST (M - m) + SLOPE (M - O) + LEVEL

and the result is kept between the bounds of the pixel that it lies in. On flat ground beside an edge M = O,
so that a small part of the edge's contrast is all that is allowed. Where the brightest pixels are few
(eyelashes, highlights, blurred lines, noise), M - O is large and nothing is held back: photographs of faces
stay what they were.

O and C are made of erosion and dilation, as opening and closing are in mathematical morphology (Serra 1982,
"Image Analysis and Mathematical Morphology"). The combination is ours; it has no weights and is not trained.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_cli.errors import ExportError
from facesr_export.conversion import INPUT_NAME, OUTPUT_NAME

CONTRAST = 0.08
"""Overshoot allowed beside flat ground, of the contrast there; Lanczos makes 0.10 on an upright edge."""
SLOPE = 32.0
"""Further overshoot for each level by which the brightest pixels stand out of their surroundings."""
LEVEL = 1 / 255
"""Further overshoot everywhere, for rounding."""
REACH = 3
"""Input pixels that a bound depends on, on each side."""

LIMITED = "overshoot limited"
"""What a model file says of it, after its recipe."""

_PREFIX = "overshoot_"


class OvershootLimit(nn.Module):
    """A network whose results stay within the bounds that its input gives.

    (N, 3, H, W) float32 RGB [0, 1] -> (N, 3, sH, sW) float32, not clamped to [0, 1].

    Args:
        network: From `image` to a picture of `scale` times its height and width.
        scale: A whole number.
    """

    def __init__(self, network: nn.Module, scale: int) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def forward(self, image: Tensor) -> Tensor:
        """Return the network's result within the bounds."""
        lowest, highest = (F.interpolate(bound, scale_factor=self.scale) for bound in bounds(image))
        return torch.minimum(torch.maximum(self.network(image), lowest), highest)


def bounds(image: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest value allowed in each pixel of `image`, both (N, 3, H, W) as it is."""
    largest, smallest = _largest(image, 5), -_largest(-image, 5)
    opened = _largest(-_largest_of_cross(-image), 5)
    closed = -_largest(-_largest_of_cross(image), 5)
    allowed = CONTRAST * (largest - smallest) + LEVEL
    return (
        smallest - allowed - SLOPE * (closed - smallest).clamp(min=0),
        largest + allowed + SLOPE * (largest - opened).clamp(min=0),
    )


def _largest(image: Tensor, side: int) -> Tensor:
    """Largest value of the `side` x `side` surroundings of each pixel; beyond the border there is nothing."""
    return F.max_pool2d(image, side, stride=1, padding=side // 2)


def _largest_of_cross(image: Tensor) -> Tensor:
    """Largest value of each pixel and its four neighbours."""
    upright = F.max_pool2d(image, (3, 1), stride=1, padding=(1, 0))
    return torch.maximum(upright, F.max_pool2d(image, (1, 3), stride=1, padding=(0, 1)))


def limited(network: nn.Module, scale: int, *, limit: bool) -> nn.Module:
    """`network` with its overshoot limited; itself without `limit`."""
    return OvershootLimit(network, scale) if limit else network


def with_overshoot_limit(model: onnx.ModelProto, *, scale: int) -> onnx.ModelProto:
    """Return `model` with nodes between its result and its output that compute what `OvershootLimit` does.

    Weights keep their names and the nodes of the network their order, so that partners remain partners if
    both are limited.

    Args:
        model: `image` float32 (N, 3, H, W) -> `upscaled` float32 (N, 3, sH, sW), operator set 13 or newer.
        scale: s.

    Raises:
        ExportError: The overshoot of `model` is limited already, or its names are others.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    if any(node.name.startswith(_PREFIX) for node in graph.node):
        raise ExportError("the overshoot of this network is limited already")
    ends = [value.name for value in (*graph.input, *graph.output)]
    if ends != [INPUT_NAME, OUTPUT_NAME]:
        raise ExportError(f"the graph does not lead from {INPUT_NAME!r} to {OUTPUT_NAME!r}")
    free = f"{_PREFIX}network"
    for node in graph.node:
        node.input[:] = [free if name == OUTPUT_NAME else name for name in node.input]
        node.output[:] = [free if name == OUTPUT_NAME else name for name in node.output]
    graph.node.extend(_nodes(free, scale))
    return result


def _nodes(network: str, scale: int) -> list[onnx.NodeProto]:
    """From `image` and the value `network` to `upscaled`; smallest values are largest of the negative."""
    nodes: list[onnx.NodeProto] = []

    def add(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        name = output if output == OUTPUT_NAME else _PREFIX + output
        nodes.append(helper.make_node(kind, inputs, [name], name=f"{_PREFIX}{output}", **attributes))
        return name

    def pool(value: str, output: str, height: int, width: int) -> str:
        pads = [height // 2, width // 2] * 2
        return add("MaxPool", [value], output, kernel_shape=[height, width], strides=[1, 1], pads=pads)

    def flat(value: str, output: str) -> str:
        arms = [pool(value, f"{output}_{h}x{w}", h, w) for h, w in ((3, 1), (1, 3))]
        ground = add("Neg", [add("Max", arms, f"{output}_cross")], f"{output}_ground")
        return pool(ground, output, 5, 5)

    def constant(name: str, *values: float) -> str:
        # No initialisers: those count as weights of the network.
        numbers = numpy_helper.from_array(np.array(values, np.float32))
        return add("Constant", [], name, value=numbers)

    scales, slope = constant("scales", 1, 1, scale, scale), constant("slope", SLOPE)
    negative = add("Neg", [INPUT_NAME], "negative")
    largest, smallest = pool(INPUT_NAME, "largest", 5, 5), pool(negative, "negative_smallest", 5, 5)
    opened, closed = flat(negative, "opened"), flat(INPUT_NAME, "negative_closed")
    contrast = add("Add", [largest, smallest], "range")
    allowed = add("Mul", [contrast, constant("contrast", CONTRAST)], "share")
    allowed = add("Add", [allowed, constant("level", LEVEL)], "allowed")

    def bound(extreme: str, ground: str, name: str) -> str:
        standing_out = add(
            "Relu", [add("Sub", [extreme, ground], f"{name}_difference")], f"{name}_standing_out"
        )
        more = add("Mul", [standing_out, slope], f"{name}_more")
        return add("Add", [add("Add", [extreme, allowed], f"{name}_near"), more], name)

    def enlarged(value: str, output: str) -> str:
        return add(
            "Resize",
            [value, "", scales],
            output,
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    highest = enlarged(bound(largest, opened, "upper"), "highest")
    lowest = enlarged(add("Neg", [bound(smallest, closed, "lower")], "negative_lower"), "lowest")
    add("Min", [add("Max", [network, lowest], "raised"), highest], OUTPUT_NAME)
    return nodes
