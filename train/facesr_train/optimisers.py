"""The optimisers of generator and discriminator, and their state across kinds of device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

KINDS = ("adam", "sgd")
"""Words of a recipe."""


SHARE = "share"
"""Entry of a parameter group: its learning rate as a share of the schedule's."""


def parameter_groups(network: nn.Module, slow: Sequence[str], slow_ratio: float) -> list[dict[str, Any]]:
    """The weights of `network` that are trained, those whose names begin with one of `slow` apart.

    Returns:
        Groups for an optimiser, the one at the full rate first; a group without weights is left out.
    """
    trained = [(name, weight) for name, weight in network.named_parameters() if weight.requires_grad]
    late = [(name.startswith(tuple(slow)), weight) for name, weight in trained]
    groups = [
        {"params": [weight for is_slow, weight in late if not is_slow], SHARE: 1.0},
        {"params": [weight for is_slow, weight in late if is_slow], SHARE: slow_ratio},
    ]
    return [group for group in groups if group["params"]]


def make_optimiser(
    kind: str,
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
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
        parameters: What is trained, in groups or not; they may still be on the host.
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
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
    learning_rate: float,
    betas: tuple[float, float],
    device: torch.device,
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

    Whether the update of Adam is fused is among what torch saves, and would be restored with it. States of
    before there were groups of two rates have no share.
    """
    fused = True if device.type == "cuda" else None
    groups = [
        {SHARE: 1.0, **group} | ({"fused": fused} if "betas" in group else {})
        for group in state["param_groups"]
    ]
    return {**state, "param_groups": groups}
