"""The discriminator of a run: its weights, its optimiser, and one step of the game."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from facesr_train.discriminators import DISCRIMINATORS
from facesr_train.hardware import memory_layout
from facesr_train.losses.adversarial import GAMES, r1_penalty
from facesr_train.optimisers import adam, state_for
from facesr_train.recipe import Recipe
from facesr_train.schedule import learning_rate


class Adversary:
    """Judges originals and reconstructions, and learns to tell them apart."""

    def __init__(self, fabric: Fabric, recipe: Recipe) -> None:
        """Build the discriminator with fresh weights, the same at every call."""
        assert recipe.adversarial is not None
        self._fabric, self._recipe, self._settings = fabric, recipe, recipe.adversarial
        self._game = GAMES[self._settings.kind]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.run.seed + 1)
            network = DISCRIMINATORS[recipe.discriminator_kind][1](recipe.discriminator)
        self._core = network.to(memory_format=memory_layout(fabric.device))  # type: ignore[call-overload]
        betas = self._settings.beta1, self._settings.beta2
        optimiser = adam(network.parameters(), self._settings.learning_rate, betas, fabric.device)
        self._network, self._optimiser = fabric.setup(self._core, optimiser)

    def step(
        self,
        outputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        *,
        step: int,
        share_done: float,
    ) -> Tensor:
        """Improve the discriminator once and return its loss, a detached scalar.

        Args:
            outputs: Output of the generator by name, float32 RGB (N, 3, H, W); no gradient flows into them.
            targets: The originals of the same names.
            step: Optimiser step of the run, from 0.
            share_done: Share of the run, for the learning rate.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(
                self._settings.learning_rate,
                final_ratio=self._recipe.optimiser.final_ratio,
                share_done=share_done,
                step=step,
                warmup_steps=self._recipe.optimiser.warmup_steps,
            )
        fake = self._logits([picture.detach() for picture in self._judged(outputs)])
        originals = self._judged(targets)
        real = self._logits(originals)
        loss = self._game.discriminator(real, fake)
        if self._settings.r1_weight and step % self._settings.r1_every == 0:
            loss = loss + self._settings.r1_every * self._settings.r1_weight * self._penalty(originals)
        self._optimiser.zero_grad()
        self._fabric.backward(loss)
        self._fabric.clip_gradients(
            self._network,
            self._optimiser,
            max_norm=self._recipe.optimiser.gradient_clip,
            error_if_nonfinite=False,
        )
        self._optimiser.step()
        return loss.detach()

    def generator_loss(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """The generator's weighted share in the game; gradients reach `outputs`, not the discriminator."""
        with torch.no_grad():
            real = self._logits(self._judged(targets))
        with _frozen(self._core):
            fake = self._logits(self._judged(outputs))
        return self._settings.weight * self._game.generator(real, fake)

    def state(self) -> dict[str, Any]:
        """Weights and optimiser, for the checkpoint."""
        return {"network": self._core.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._core.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state_for(state["optimiser"], self._fabric.device))

    def _judged(self, pictures: Mapping[str, Tensor]) -> list[Tensor]:
        return [pictures[name] for name in self._settings.judges]

    def _logits(self, pictures: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self._network(*pictures)
        return logits.float()

    def _penalty(self, originals: Sequence[Tensor]) -> Tensor:
        """R1 in float32: second derivatives lose too much in bfloat16."""
        wanted = [picture.detach().clone().requires_grad_() for picture in originals]
        with torch.autocast(self._fabric.device.type, enabled=False):
            return r1_penalty(self._core(*wanted).float(), *wanted)


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Within it no gradient is computed for the weights, which halves the work of the backward pass."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in network.parameters():
            parameter.requires_grad_(True)
