"""What the generator minimises: the recipe's losses, and its share in the adversarial game."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from facesr_train.adversary import Adversary
from facesr_train.losses import LOSSES, Loss
from facesr_train.recipe import Recipe


class Objective:
    """The weighted sum of the terms that count at a share of the run."""

    def __init__(self, recipe: Recipe, adversary: Adversary | None, device: torch.device) -> None:
        """Build the losses, on `device` where they have weights.

        Raises:
            CapabilityError: A loss needs a package that is not installed.
        """
        self._recipe, self._adversary = recipe, adversary
        self._losses = [_built(term.kind, term.config, device) for term in recipe.losses]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all terms of the run, for the log; `discriminator` is what the other side minimises."""
        losses = tuple(f"{term.kind}-{index}" for index, term in enumerate(self._recipe.losses))
        return losses if self._adversary is None else (*losses, "adversarial", "discriminator")

    def plays(self, share_done: float) -> bool:
        """Whether the adversarial game is on at this share of the run."""
        game = self._recipe.adversarial
        return game is not None and share_done >= game.start

    def loss(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], share_done: float
    ) -> dict[str, Tensor]:
        """The weighted terms by name, scalars; those that do not count now are left out."""
        terms = {
            name: term.weight * loss(outputs[term.on], targets[term.on])
            for name, term, loss in zip(self.names, self._recipe.losses, self._losses, strict=False)
            if term.active(share_done)
        }
        if self._adversary is not None and self.plays(share_done):
            terms["adversarial"] = self._adversary.generator_loss(outputs, targets)
        return terms


def _built(kind: str, config: object, device: torch.device) -> Loss:
    loss = LOSSES[kind][1](config)
    return loss.to(device) if isinstance(loss, nn.Module) else loss
