"""Weights of losses found from gradients, where a published weight is for other units.

The weights that papers give to features of VGG say nothing about those of another network. What carries over
is the ratio in which the terms pull at the picture. So the gradient of a term is compared with that of a
reference, each with respect to the output it looks at, during the first batches in which both count. The term
gets the factor that makes the lengths of the two stand in the wanted ratio. From the first batch on the
factor is that of the sums so far; after `BATCHES` it stays. The sums are part of the checkpoint, so a resumed
run has the same factors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

BATCHES = 16
"""Batches that are measured."""

Mean = Callable[[Tensor], Tensor]
"""The mean of a tensor over the processes that train together."""

Backward = Callable[..., object]
"""Like `torch.autograd.backward`: takes a scalar, `inputs` and `retain_graph`."""


class Calibration:
    """The factors of some terms, by name."""

    def __init__(
        self,
        ratios: Mapping[str, float],
        device: torch.device,
        mean: Mean,
        backward: Backward = torch.autograd.backward,
    ) -> None:
        """Begin with nothing measured.

        Args:
            ratios: Term -> wanted length of its gradient over that of its reference, for weight 1.
            device: Of the gradients.
            mean: Over processes.
            backward: Fabric's, where Fabric has set the networks up: in bfloat16 it refuses gradients that
                are asked for by any other way.
        """
        self._ratios, self._mean, self._backward = ratios, mean, backward
        self._sums = {name: torch.zeros(2, device=device) for name in ratios}
        self._counts = dict.fromkeys(ratios, 0)

    def wants(self, name: str) -> bool:
        """Whether another batch is to be measured for this term."""
        return self._counts[name] < BATCHES

    def measure(self, name: str, term: tuple[Tensor, Tensor], reference: tuple[Tensor, Tensor]) -> None:
        """Account for one batch.

        Args:
            name: Of the term.
            term: Its value with weight 1, a scalar, and the output (N, 3, H, W) that it is computed from.
            reference: The same of what it is compared with, which has the weight that it has.
        """
        lengths = [self._gradient_length(*each) for each in (term, reference)]
        self._sums[name] += self._mean(torch.stack(lengths))
        self._counts[name] += 1

    def factor(self, name: str) -> Tensor:
        """The factor so far, a scalar; 0 while neither of the two has pulled at all."""
        own, reference = self._sums[name]
        return torch.where(own > 0, self._ratios[name] * reference / own, torch.zeros_like(own))

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {
            name: {"sums": sums.clone(), "count": self._counts[name]} for name, sums in self._sums.items()
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        for name, values in state.items():
            self._sums[name].copy_(values["sums"])
            self._counts[name] = values["count"]

    def _gradient_length(self, loss: Tensor, output: Tensor) -> Tensor:
        """Euclidean length of the gradient of `loss` with respect to `output`; 0 where there is none."""
        gradients = [torch.zeros((), device=output.device)]
        if loss.requires_grad:
            handle = output.register_hook(gradients.append)  # type: ignore[no-untyped-call]
            self._backward(loss, inputs=[output], retain_graph=True)
            handle.remove()
            output.grad = None
        length: Tensor = torch.linalg.vector_norm(gradients[-1].float())
        return length
