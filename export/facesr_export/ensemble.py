"""Averages a network over mirrored inputs, inside one graph.

The geometric self-ensemble of EDSR+ (Lim et al. 2017, https://arxiv.org/abs/1707.02921), without its
transposes: a network that was trained on upright faces gains nothing from pictures that lie on their side.
"""

from __future__ import annotations

import onnx
import torch
from torch import Tensor, nn

from facesr_train.generators.generator import Generator

MIRRORED_AXES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((),),
    2: ((), (3,)),
    4: ((), (3,), (2,), (2, 3)),
}
"""Number of copies -> axes of (N, 3, H, W) along which each copy sees the image mirrored."""

_PREFIX = "network."


class SelfEnsemble(nn.Module):
    """The mean of one network's results on mirrored inputs, each mirrored back.

    (N, 3, H, W) float32 RGB [0, 1], H and W divisible by `multiple` -> (N, 3, sH, sW) float32, not clamped.
    The copies run one after the other, so that memory grows by one result only, and share their weights.

    Args:
        network: A generator with `scale`, `multiple` and `halo`.
        mirrorings: A key of `MIRRORED_AXES`: 2 mirrors left and right, 4 also top and bottom, and both.
    """

    scale: int
    multiple: int
    halo: int | None

    def __init__(self, network: Generator, mirrorings: int) -> None:
        super().__init__()
        self.network = network
        self.axes = MIRRORED_AXES[mirrorings]
        self.scale, self.multiple, self.halo = network.scale, network.multiple, network.halo

    def forward(self, image: Tensor) -> Tensor:
        """Return the mean of the copies."""
        total: Tensor | None = None
        for axes in self.axes:
            copy = torch.flip(self.network(torch.flip(image, axes)), axes) if axes else self.network(image)
            total = copy if total is None else total + copy
        assert total is not None
        return total / len(self.axes)


def ensembled(network: Generator, mirrorings: int) -> nn.Module:
    """`network` averaged over `mirrorings` mirrored inputs; itself for 1."""
    return network if mirrorings == 1 else SelfEnsemble(network, mirrorings)


def name_as_inner(model: onnx.ModelProto) -> None:
    """Give the initialisers of an exported `SelfEnsemble` the names of the inner network's, in place.

    Training then starts from such a file (`--init`) as from any other.
    """
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.removeprefix(_PREFIX)
    for node in model.graph.node:
        node.input[:] = [name.removeprefix(_PREFIX) for name in node.input]
