"""Networks that judge and never learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import nn


class FrozenNetwork(nn.Module):
    """A network in evaluation mode without gradients for its parameters; those of its input remain.

    A derived class calls `freeze` at the end of its constructor. `train()` of a module around it changes
    nothing here.
    """

    def freeze(self) -> None:
        """Take all parameters out of training."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever `mode` is."""
        return super().train(False)

    @torch.no_grad()
    def load_in_order(self, arrays: Iterable[NDArray[Any]]) -> None:
        """Copy arrays into parameters and buffers in the order of `state_dict`; shapes must be equal."""
        for (name, tensor), array in zip(self.state_dict().items(), arrays, strict=True):
            assert tuple(tensor.shape) == array.shape, f"{name}: {tuple(tensor.shape)}, not {array.shape}"
            tensor.copy_(torch.from_numpy(array))
