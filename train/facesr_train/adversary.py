"""The discriminator of a run: its weights, its optimiser, and one step of the game."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from facesr_train.discriminators import DISCRIMINATORS
from facesr_train.external.lite0 import Lite0
from facesr_train.hardware import memory_layout
from facesr_train.losses.adversarial import GAMES, r1_penalty
from facesr_train.losses.perceptual import plips_lite0
from facesr_train.optimisers import make_optimiser, state_for
from facesr_train.recipe import Recipe
from facesr_train.sections import scheduled


class Adversary:
    """Judges originals and reconstructions, and learns to tell them apart."""

    def __init__(self, fabric: Fabric, recipe: Recipe) -> None:
        """Build the discriminator with fresh weights, the same at every call.

        Raises:
            MissingExtraError: `kappa` is above 0 and the extra `perceptual` is not installed.
        """
        assert recipe.adversarial is not None
        self._fabric, self._recipe, self._settings = fabric, recipe, recipe.adversarial
        self._game = GAMES[self._settings.kind]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.run.seed + 1)
            network = DISCRIMINATORS[recipe.discriminator_kind][1](recipe.discriminator)
        self._core = network.to(memory_format=memory_layout(fabric.device))  # type: ignore[call-overload]
        optimiser = make_optimiser(
            self._settings.optimiser,
            network.parameters(),
            self._settings.learning_rate,
            betas=(self._settings.beta1, self._settings.beta2),
            momentum=self._settings.momentum,
            nesterov=self._settings.nesterov,
            device=fabric.device,
        )
        self._features = Lite0.build().to(fabric.device) if self._settings.kappa else None
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
            group["lr"] = scheduled(
                self._settings.learning_rate, self._recipe.optimiser, share_done=share_done, step=step
            )
        originals = self._judged(targets)
        fakes = [picture.detach() for picture in self._judged(outputs)]
        fake = self._marked_down(self._logits(fakes), fakes, originals)
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

    def generator_loss(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], share_done: float
    ) -> Tensor:
        """The generator's weighted share in the game; gradients reach `outputs`, not the discriminator."""
        originals, fakes = self._judged(targets), self._judged(outputs)
        with torch.no_grad():
            real = self._logits(originals)
        with _frozen(self._core):
            fake = self._marked_down(self._logits(fakes), fakes, originals)
        return self._settings.weight_at(share_done) * self._game.generator(real, fake)

    def state(self) -> dict[str, Any]:
        """Weights and optimiser, for the checkpoint."""
        return {"network": self._core.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._core.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state_for(state["optimiser"], self._fabric.device))

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Begin with the weights of another run's discriminator; the optimiser begins afresh."""
        self._core.load_state_dict(weights)

    def _judged(self, pictures: Mapping[str, Tensor]) -> list[Tensor]:
        return [pictures[name] for name in self._settings.judges]

    def _logits(self, pictures: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self._network(*pictures)
        return logits.float()

    def _marked_down(self, logits: Tensor, fakes: Sequence[Tensor], originals: Sequence[Tensor]) -> Tensor:
        """Verdicts on reconstructions less `kappa` times their perceptual distance from the originals."""
        if self._features is None:
            return logits
        distance = plips_lite0(self._features, fakes[0], originals[0])
        return logits - self._settings.kappa * distance.view(-1, *[1] * (logits.ndim - 1))

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
