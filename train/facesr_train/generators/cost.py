"""What a generator costs in use: parameters and multiply-adds, counted without computing anything."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from facesr_train.generators.folding import folded
from facesr_train.generators.generator import Generator


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one photograph, after training-time branches are folded."""

    parameters: int
    multiply_adds: int
    """Of convolutions and matrix products; additions, activations and shuffles count nothing."""

    @property
    def gflop(self) -> float:
        """10^9 floating-point operations, two to a multiply-add."""
        return 2 * self.multiply_adds / 1e9


def cost(generator: Generator, height: int, width: int) -> Cost:
    """Count what `generator` needs for one photograph; its `multiple` divides both sides."""
    network = copy.deepcopy(folded(generator)).eval()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        counter = FlopCounterMode(display=False)
        with counter:
            network(torch.empty(1, 3, height, width))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, int(counter.get_total_flops()) // 2)
