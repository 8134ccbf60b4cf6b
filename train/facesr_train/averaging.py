"""The exponential moving average of the generator's weights: what is validated, kept and exported."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, *, decay: float, step: int) -> None:
    """Move `average` towards `network` in place; early steps move further (the decay warms up).

    Args:
        average: Same architecture as `network`; buffers are copied.
        network: The weights after optimiser step `step`, counted from 0.
        decay: Share of the old average that is kept once warm.
        step: Used for the warm-up min(decay, (1 + step) / (10 + step)), TensorFlow's rule.
    """
    kept = min(decay, (1 + step) / (10 + step))
    ours, theirs = dict(average.named_parameters()), dict(network.named_parameters())
    assert ours.keys() == theirs.keys()
    torch._foreach_lerp_(list(ours.values()), [theirs[name] for name in ours], 1 - kept)
    for mine, other in zip(average.buffers(), network.buffers(), strict=True):
        mine.copy_(other)
