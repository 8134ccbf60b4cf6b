"""The optimisers of generator and discriminator, and their state across kinds of device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

KINDS = ("adam", "sgd")
"""Words of a recipe."""


def make_optimiser(
    kind: str,
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    *,
    betas: tuple[float, float],
    momentum: float,
    nesterov: bool,
    device: torch.device,
) -> torch.optim.Optimizer:
    """Adam, or stochastic gradient descent with or without momentum.

    Args:
        kind: One of `KINDS`.
        parameters: What is trained; they may still be on the host.
        learning_rate: Of the first step.
        betas: Of Adam.
        momentum: Of SGD.
        nesterov: Of SGD; needs momentum.
        device: Where training will happen.
    """
    if kind == "adam":
        return adam(parameters, learning_rate, betas, device)
    return torch.optim.SGD(parameters, learning_rate, momentum=momentum, nesterov=nesterov)


def adam(
    parameters: Iterable[nn.Parameter], learning_rate: float, betas: tuple[float, float], device: torch.device
) -> torch.optim.Adam:
    """Adam over all parameters in one fused kernel on a GPU, in torch's own way elsewhere.

    Args:
        parameters: What is trained; they may still be on the host.
        learning_rate: Of the first step.
        betas: Decay of the first and second moment.
        device: Where training will happen.
    """
    return torch.optim.Adam(parameters, learning_rate, betas, fused=True if device.type == "cuda" else None)


def state_for(state: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """An optimiser's state as `device` wants it: a run may go on where another kind of device began it.

    Whether the update of Adam is fused is among what torch saves, and would be restored with it.
    """
    fused = True if device.type == "cuda" else None
    groups = [
        {**group, "fused": fused} if "betas" in group else dict(group) for group in state["param_groups"]
    ]
    return {**state, "param_groups": groups}
