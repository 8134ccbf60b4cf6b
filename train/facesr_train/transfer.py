"""From the host to the training device in one copy that nobody waits for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

_Plan = TypeVar("_Plan")

ALIGNMENT = 8
"""Bytes at which every tensor starts, the size of the widest type."""


def moved(plan: _Plan, device: torch.device) -> _Plan:
    """A copy of `plan` with all its tensors on `device`.

    All tensors travel in one buffer, which is pinned where the device is a GPU, so that the copy is queued on
    the current stream and the host goes on at once. What is not a tensor stays as it is.

    Args:
        plan: A frozen dataclass whose fields are CPU tensors, other such dataclasses, or anything else.
        device: Where to.
    """
    parts = [_bytes(tensor) for tensor in _tensors(plan)]
    if not parts:
        return plan
    buffer = torch.cat(parts)
    if device.type == "cuda":
        buffer = buffer.pin_memory()
    buffer = buffer.to(device, non_blocking=True)
    received: _Plan = _rebuilt(plan, iter(torch.split(buffer, [part.numel() for part in parts])))
    return received


def _tensors(plan: Any) -> Iterator[Tensor]:
    for item in dataclasses.fields(plan):
        value = getattr(plan, item.name)
        if isinstance(value, Tensor):
            yield value
        elif dataclasses.is_dataclass(value):
            yield from _tensors(value)


def _rebuilt(plan: Any, parts: Iterator[Tensor]) -> Any:
    changes: dict[str, Any] = {}
    for item in dataclasses.fields(plan):
        value = getattr(plan, item.name)
        if isinstance(value, Tensor):
            size = value.numel() * value.element_size()
            changes[item.name] = next(parts)[:size].view(value.dtype).view(value.shape)
        elif dataclasses.is_dataclass(value):
            changes[item.name] = _rebuilt(value, parts)
    return dataclasses.replace(plan, **changes)


def _bytes(tensor: Tensor) -> Tensor:
    """The samples as uint8, with zeros up to the next multiple of `ALIGNMENT`."""
    samples = tensor.clone(memory_format=torch.contiguous_format).view(-1).view(torch.uint8)
    padded = math.ceil(samples.numel() / ALIGNMENT) * ALIGNMENT
    return torch.nn.functional.pad(samples, (0, padded - samples.numel()))
