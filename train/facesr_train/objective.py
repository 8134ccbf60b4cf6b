"""What the generator minimises: the recipe's losses, and its share in the adversarial game."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from facesr_train.adversary import Adversary
from facesr_train.calibration import Backward, Calibration, Mean
from facesr_train.losses import LOSSES, Loss
from facesr_train.recipe import Recipe
from facesr_train.sections import LossTerm


class Objective:
    """The weighted sum of the terms that count at a share of the run."""

    def __init__(
        self,
        recipe: Recipe,
        adversary: Adversary | None,
        device: torch.device,
        mean: Mean = lambda value: value,
        backward: Backward = torch.autograd.backward,
    ) -> None:
        """Build the losses, on `device` where they have weights.

        Args:
            recipe: Names and weights.
            adversary: The other side, where there is a game.
            device: Of the outputs.
            mean: Over the processes that train together.
            backward: How gradients are asked for, see `Calibration`.

        Raises:
            CapabilityError: A loss needs a package that is not installed.
        """
        self._recipe, self._adversary = recipe, adversary
        self._losses = [_built(term.kind, term.config, device) for term in recipe.losses]
        self._terms = {f"{term.kind}-{index}": term for index, term in enumerate(recipe.losses)}
        self.calibration = Calibration(
            {name: term.ratio for name, term in self._terms.items() if term.ratio}, device, mean, backward
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of all terms of the run, for the log; `discriminator` is what the other side minimises."""
        losses = tuple(self._terms)
        return losses if self._adversary is None else (*losses, "adversarial", "discriminator")

    def plays(self, share_done: float) -> bool:
        """Whether the adversarial game is on at this share of the run."""
        game = self._recipe.adversarial
        return game is not None and share_done >= game.start

    def loss(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], share_done: float
    ) -> dict[str, Tensor]:
        """The weighted terms by name, scalars; those that do not count now are left out."""
        values = {
            name: loss(outputs[term.on], targets[term.on])
            for (name, term), loss in zip(self._terms.items(), self._losses, strict=True)
            if term.active(share_done)
        }
        plain = {
            name: self._terms[name].weight_at(share_done) * value
            for name, value in values.items()
            if not self._terms[name].ratio
        }
        if self._adversary is not None and self.plays(share_done):
            plain["adversarial"] = self._adversary.generator_loss(outputs, targets, share_done)
        weighted = dict(plain)
        for name in values.keys() - plain.keys():
            term = self._terms[name]
            reference = self._reference(term, plain)
            if reference and self.calibration.wants(name):
                value, on = reference
                self.calibration.measure(name, (values[name], outputs[term.on]), (value, outputs[on]))
            weighted[name] = term.weight_at(share_done) * self.calibration.factor(name) * values[name]
        return {name: weighted[name] for name in self.names if name in weighted}

    def factors(self) -> dict[str, float]:
        """The factors found from gradients so far, by name of the term, for the log."""
        return {
            name: float(self.calibration.factor(name)) for name, term in self._terms.items() if term.ratio
        }

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return self.calibration.state()

    def _reference(self, term: LossTerm, plain: Mapping[str, Tensor]) -> tuple[Tensor, str] | None:
        """The weighted loss that a term is compared with and the output it looks at; None while it rests."""
        game = self._recipe.adversarial
        if term.against == "adversarial":
            if game is None or "adversarial" not in plain:
                return None
            return plain["adversarial"], term.on if term.on in game.judges else game.judges[0]
        for name, other in self._terms.items():
            if other.kind == term.against and name in plain:
                return plain[name], other.on
        return None


def _built(kind: str, config: object, device: torch.device) -> Loss:
    loss = LOSSES[kind][1](config)
    return loss.to(device) if isinstance(loss, nn.Module) else loss
