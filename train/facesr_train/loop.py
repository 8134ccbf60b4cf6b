"""The training loop: one step of the generator and, where there is one, of the discriminator."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from facesr_cli.errors import UsageError
from facesr_train.adversary import Adversary
from facesr_train.averaging import update_average
from facesr_train.changes import differences
from facesr_train.checkpoint import LAST_NAME, Checkpoint, build_generator, load_checkpoint
from facesr_train.conditions import changes_since, conditions
from facesr_train.draws import Draws
from facesr_train.generators.outputs import ManyOutputs
from facesr_train.hardware import memory_layout
from facesr_train.objective import Objective
from facesr_train.optimisers import SHARE, make_optimiser, parameter_groups, state_for
from facesr_train.prefetch import prefetched
from facesr_train.recipe import Recipe
from facesr_train.run_log import RunLog
from facesr_train.run_state import Run, RunState
from facesr_train.sections import scheduled

STEP_KEY = 1
"""Keeps the numbers of a step apart from those of its batch, whose key is shorter."""
COMPILER = "inductor"
"""torch's name of what `--compile` compiles with."""


def train(fabric: Fabric, recipe: Recipe, run: Run) -> Checkpoint:
    """Train until the recipe's steps or the budget are used up; returns the last state.

    The folder holds `last.ckpt` (to resume from) and `best.ckpt` (highest mean validation PSNR; only where
    there is no adversarial game, which trades PSNR for texture).

    Raises:
        TrainingError: The loss or the weights became non-finite; `last.ckpt` is the last good state.
        UsageError: `resume` with a checkpoint of another recipe, or a used folder without `resume`.
        CapabilityError: A loss needs a package that is not installed.
    """
    previous = _previous(fabric, run, recipe)
    layout = memory_layout(fabric.device)
    network = build_generator(recipe).to(memory_format=layout)  # type: ignore[call-overload]
    if run.initial is not None:
        network.load_state_dict(run.initial.weights)
    average = copy.deepcopy(network).requires_grad_(False).to(fabric.device)
    settings = recipe.optimiser
    freeze(network, settings.frozen)
    _named(network, "slow", settings.slow)
    optimiser = make_optimiser(
        settings.kind,
        parameter_groups(network, settings.slow, settings.slow_ratio),
        settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        device=fabric.device,
    )
    if previous is not None:
        network.load_state_dict(previous.generator)
        average.load_state_dict(previous.average)
    trained: Any = torch.compile(network, backend=COMPILER) if run.compiled else network
    wrapped, optimiser = fabric.setup(trained, optimiser)
    adversary = None if recipe.adversarial is None else Adversary(fabric, recipe)
    if adversary is not None and run.initial is not None and run.initial.discriminator:
        adversary.load_weights(run.initial.discriminator)
    objective = Objective(
        recipe, adversary, fabric.device, lambda value: _mean(fabric, value), fabric.backward
    )
    if previous is not None:
        optimiser.load_state_dict(state_for(previous.optimiser, fabric.device))
        if adversary is not None:
            adversary.load_state(previous.adversary)
        objective.calibration.load_state(previous.calibration)
    state = RunState(fabric, recipe, run, network, average, optimiser, adversary, objective, previous)
    with (
        RunLog(run.folder, run.say) if fabric.is_global_zero else _NoLog() as log,
        prefetched(run.source, fabric.device) as batches,
    ):
        for step in state.steps():
            # Dropout, noisy labels and moving grids draw from torch's state; so a resumed run draws the same.
            torch.manual_seed(Draws(1, recipe.run.seed, fabric.global_rank, step, STEP_KEY).seed())
            share_done = state.share_done
            rate = scheduled(settings.learning_rate, settings, share_done=share_done, step=step)
            for group in optimiser.param_groups:
                group["lr"] = rate * group[SHARE]
            hr_crop_px, batch_size = recipe.data.crops_at(share_done)
            lr, hr = batches.batch(step, batch_size, hr_crop_px)
            outputs = _outputs(wrapped, network, lr)
            targets = _targets(network, hr, outputs)
            terms = dict.fromkeys(objective.names, torch.zeros((), device=fabric.device))
            if adversary is not None and objective.plays(share_done):
                terms["discriminator"] = adversary.step(outputs, targets, step=step, share_done=share_done)
            minimised = objective.loss(outputs, targets, share_done)
            loss = torch.stack(list(minimised.values())).sum()
            optimiser.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(
                wrapped, optimiser, max_norm=settings.gradient_clip, error_if_nonfinite=False
            )
            optimiser.step()
            update_average(average, network, decay=settings.ema_decay, step=step)
            state.count(loss.detach(), {**terms, **minimised}, batch_size)
            if state.epoch_ends:
                state.end_epoch(log, rate)
    return state.checkpoint()


def freeze(network: nn.Module, beginnings: Sequence[str]) -> None:
    """Take the weights whose names begin so out of training.

    Raises:
        UsageError: No weight has such a name, or all are frozen.
    """
    for parameter in _named(network, "frozen", beginnings):
        parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UsageError("optimiser.frozen: nothing is left to train")


def _named(network: nn.Module, key: str, beginnings: Sequence[str]) -> list[nn.Parameter]:
    """The weights whose names begin with one of the recipe's `optimiser.KEY`.

    Raises:
        UsageError: No weight has such a name.
    """
    parameters = dict(network.named_parameters())
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in parameters):
            raise UsageError(
                f"optimiser.{key}: no weight begins with {beginning!r}; there are {', '.join(parameters)}"
            )
    return [parameter for name, parameter in parameters.items() if name.startswith(tuple(beginnings))]


def _mean(fabric: Fabric, value: Tensor) -> Tensor:
    """Over the processes that train together."""
    if fabric.world_size == 1:
        return value
    mean: Tensor = fabric.all_reduce(value, reduce_op="mean")  # type: ignore[assignment]
    return mean


def _outputs(wrapped: nn.Module, network: nn.Module, lr: Tensor) -> dict[str, Tensor]:
    """All outputs of the generator by name, float32; most generators have the `image` only."""
    if isinstance(network, ManyOutputs):
        return {name: output.float() for name, output in wrapped(lr, every=True).items()}
    return {"image": wrapped(lr).float()}


def _targets(network: nn.Module, hr: Tensor, outputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """What each output is compared with: the original, or what the generator makes of it."""
    if isinstance(network, ManyOutputs):
        return network.targets(hr)
    return dict.fromkeys(outputs, hr)


def _previous(fabric: Fabric, run: Run, recipe: Recipe) -> Checkpoint | None:
    path = run.folder / LAST_NAME
    if not run.resume:
        if path.exists():
            raise UsageError(
                f"{run.folder} already holds a run; continue it with --resume or name another --out"
            )
        return None
    if not path.exists():
        raise UsageError(
            f"{path}: no such checkpoint, so there is nothing to resume; leave --resume out to start"
        )
    previous = load_checkpoint(path)
    if previous.recipe != recipe:
        raise UsageError(
            f"{path} was trained with recipe {previous.recipe.name} {previous.recipe.digest}, "
            f"not {recipe.name} {recipe.digest}; name another --out, or the same recipe and --set. "
            f"Trained with and now: {', '.join(differences(previous.recipe, recipe))}"
        )
    if changes := changes_since(previous.conditions, conditions(fabric.device.type)):
        run.say(f"{path}: the run goes on, but not as if it had never stopped: {changes}")
    return previous


class _NoLog:
    """Stands in for the log on all processes but the first."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
