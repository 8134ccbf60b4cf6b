"""Capsules: vectors whose length is a probability, and the routing between two layers of them.

Sabour, Frosst and Hinton 2017, "Dynamic Routing Between Capsules" (https://arxiv.org/abs/1710.09829).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_TINY = 1e-12
"""Added to squared lengths, so that a vector of zeros has a gradient."""


def squash(vectors: Tensor) -> Tensor:
    """|s|^2 / (1 + |s|^2) * s / |s| over the last axis: the same direction, a length in [0, 1)."""
    squared = vectors.square().sum(-1, keepdim=True)
    return vectors * (squared + _TINY).sqrt() / (1 + squared)


class Routing(nn.Module):
    """Routing by agreement between a layer of capsules and the next: (N, I, i) float32 -> (N, O, o).

    Every capsule predicts each of the next ones; a prediction counts by its coupling coefficient, which rises
    where it agrees with the outcome. The agreement of all rounds but the last is computed from predictions
    without gradient, so that the gradient is that of the last round.
    """

    def __init__(
        self, capsules_in: int, size_in: int, capsules_out: int, size_out: int, *, rounds: int
    ) -> None:
        super().__init__()
        self.rounds = rounds
        self.weight = nn.Parameter(torch.empty(capsules_in, capsules_out, size_out, size_in))
        nn.init.normal_(self.weight, std=0.05)
        self.coupling = nn.Softmax(dim=2)
        """(N, I, O) agreements -> coefficients that sum to 1 over the next capsules; once a round."""

    def forward(self, capsules: Tensor) -> Tensor:
        """Return the next layer, squashed."""
        predictions = torch.einsum("iodk,nik->niod", self.weight, capsules)
        fixed = predictions.detach()
        agreement = predictions.new_zeros(predictions.shape[:3])
        for _ in range(self.rounds - 1):
            outcome = squash(torch.einsum("nio,niod->nod", self.coupling(agreement), fixed))
            agreement = agreement + torch.einsum("niod,nod->nio", fixed, outcome)
        return squash(torch.einsum("nio,niod->nod", self.coupling(agreement), predictions))
