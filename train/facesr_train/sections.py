"""The sections of a recipe: frozen dataclasses that refuse contradictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facesr_train.losses import LOSSES
from facesr_train.losses.adversarial import GAMES
from facesr_train.optimisers import KINDS as OPTIMISERS
from facesr_train.schedule import FORMS, learning_rate, ramp


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTerm:
    """One loss with its weight and the part of the run in which it counts."""

    kind: str
    """One of the names in `facesr_train.losses.LOSSES`."""
    weight: float = 1.0
    start: float = 0.0
    """Share of the run at which the term sets in."""
    end: float = 1.0
    """Share of the run at which it stops; 1 includes the last step."""
    on: str = "image"
    """The output of the generator that is compared; most have no other than `image`."""
    first_weight: float = 0.0
    ramp_start: float = 0.0
    ramp_end: float = 0.0
    """Where `ramp_end` is above `ramp_start`, shares of the run between which the weight goes evenly from
    `first_weight` to `weight`."""
    ratio: float = 0.0
    """Above 0, `weight` is multiplied by a factor found at the first batches (see `calibration`): with it, a
    term of weight 1 has a gradient this many times as long as that of `against`."""
    against: str = "adversarial"
    """`adversarial`, or the kind of another loss; with the weight that it has."""
    config: Any
    """The configuration dataclass of the kind; its entries stand beside the others in the TOML table."""

    def __post_init__(self) -> None:
        if self.kind not in LOSSES:
            raise ValueError(f"loss: unknown kind {self.kind!r}; there are {', '.join(LOSSES)}")
        if not (self.weight > 0 and 0 <= self.start < self.end <= 1):
            raise ValueError(f"loss {self.kind}: needs weight > 0 and 0 <= start < end <= 1")
        _check_ramp(f"loss {self.kind}", self.first_weight, self.ramp_start, self.ramp_end)
        if self.ratio < 0:
            raise ValueError(f"loss {self.kind}: ratio must not be negative")

    def weight_at(self, progress: float) -> float:
        """The weight at this share of the run."""
        return ramp(self.first_weight, self.weight, self.ramp_start, self.ramp_end, progress)

    def active(self, progress: float) -> bool:
        """Whether the term counts at this share of the run."""
        return self.start <= progress < self.end or (self.end == 1.0 and progress >= 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialSection:
    """The game against a discriminator, beside the losses."""

    kind: str
    """One of the names in `facesr_train.losses.adversarial.GAMES`."""
    weight: float
    """Of the generator's adversarial loss among the `[[loss]]` terms."""
    start: float = 0.0
    """Share of the run at which the game sets in; before it the discriminator does not learn either."""
    first_weight: float = 0.0
    ramp_start: float = 0.0
    ramp_end: float = 0.0
    """As in `LossTerm`."""
    optimiser: str = "adam"
    """Of the discriminator: `adam` or `sgd`."""
    momentum: float = 0.0
    nesterov: bool = False
    """Of `sgd`."""
    learning_rate: float = 1e-4
    """Peak of the discriminator's schedule, which has the form of the generator's."""
    beta1: float = 0.9
    beta2: float = 0.99
    r1_weight: float = 0.0
    """Of the squared gradient at originals, halved, in the discriminator's loss."""
    r1_every: int = 16
    """Steps between two evaluations of that penalty, whose weight is multiplied by this number."""
    judges: tuple[str, ...] = ("image",)
    """The outputs of the generator that the discriminator sees."""
    kappa: float = 0.0
    """By how much a verdict on a reconstruction is lowered for each unit of its distance `plips_lite0` from
    the original, on both sides of the game; above 0 it needs the extra `perceptual`."""
    carry: bool = False
    """With `--init` from a checkpoint with the same discriminator, begin with its weights too."""
    keep_best: bool = False
    """Keep `best.ckpt`, of the highest PSNR, in spite of the game."""

    def __post_init__(self) -> None:
        if self.kind not in GAMES:
            raise ValueError(f"adversarial: unknown kind {self.kind!r}; there are {', '.join(GAMES)}")
        if self.weight <= 0 or self.learning_rate <= 0 or self.r1_weight < 0 or self.r1_every < 1:
            raise ValueError(
                "adversarial: needs weight > 0, learning_rate > 0, r1_weight >= 0 and r1_every >= 1"
            )
        if not 0 <= self.start < 1 or not all(0 <= value < 1 for value in (self.beta1, self.beta2)):
            raise ValueError("adversarial: start, beta1 and beta2 must lie in 0..1, 1 left out")
        if not self.judges or not all(isinstance(name, str) for name in self.judges):
            raise ValueError("adversarial.judges must name at least one output of the generator")
        if self.kappa < 0:
            raise ValueError("adversarial.kappa must not be negative")
        _check_ramp("adversarial", self.first_weight, self.ramp_start, self.ramp_end)
        _check_kind("adversarial.optimiser", self.optimiser, self.momentum)

    def weight_at(self, progress: float) -> float:
        """The weight at this share of the run."""
        return ramp(self.first_weight, self.weight, self.ramp_start, self.ramp_end, progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserSection:
    """The optimiser and its schedule with linear warm-up, on whose path an average of the weights is kept."""

    kind: str = "adam"
    """`adam` or `sgd`."""
    momentum: float = 0.0
    nesterov: bool = False
    """Of `sgd`."""
    learning_rate: float = 1e-3
    """Peak of the schedule."""
    schedule: str = "cosine"
    """`cosine` and `exponential` lead from the peak to `final_ratio` of it; `steps` multiplies by
    `milestone_factor` at each of `milestones`."""
    final_ratio: float = 0.01
    """Learning rate at the end, relative to the peak."""
    milestones: tuple[float, ...] = ()
    """Shares of the run, rising."""
    milestone_factor: float = 0.5
    beta1: float = 0.9
    beta2: float = 0.99
    warmup_steps: int = 100
    """Optimiser steps of linear rise from 0."""
    gradient_clip: float = 1.0
    """Largest global gradient norm; larger ones are scaled down to it. `inf`: none is."""
    ema_decay: float = 0.999
    """Per step; the averaged weights are the ones validated and exported. 0: they are the last ones."""
    frozen: tuple[str, ...] = ()
    """Beginnings of the names of generator weights that stay as they are."""
    slow: tuple[str, ...] = ()
    """Beginnings of the names of generator weights that learn at `slow_ratio` of the rate: those that a run
    with --init brings along, beside others that are new."""
    slow_ratio: float = 0.1

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.gradient_clip <= 0:
            raise ValueError("optimiser.learning_rate and optimiser.gradient_clip must be positive")
        if not all(0 <= value < 1 for value in (self.beta1, self.beta2, self.ema_decay)):
            raise ValueError("optimiser.beta1, beta2 and ema_decay must lie in 0..1, 1 left out")
        if not 0 <= self.final_ratio <= 1 or self.warmup_steps < 0:
            raise ValueError("optimiser.final_ratio must lie in 0..1, and warmup_steps not be negative")
        for name in ("milestones", "frozen", "slow"):
            if not isinstance(getattr(self, name), list | tuple):
                raise ValueError(f"optimiser.{name} must be a list")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _check_kind("optimiser.kind", self.kind, self.momentum)
        if self.schedule not in FORMS:
            raise ValueError(f"optimiser.schedule is {self.schedule!r}; there are {', '.join(FORMS)}")
        if self.schedule == "exponential" and self.final_ratio <= 0:
            raise ValueError("optimiser.final_ratio must be positive for the schedule exponential")
        if (self.schedule == "steps") != bool(self.milestones) or self.milestone_factor <= 0:
            raise ValueError(
                "optimiser.milestones and schedule = steps belong together, with milestone_factor > 0"
            )
        if list(self.milestones) != sorted(set(self.milestones)) or not all(
            0 < share < 1 for share in self.milestones
        ):
            raise ValueError("optimiser.milestones must be rising shares of the run between 0 and 1")
        for key, names in (("frozen", self.frozen), ("slow", self.slow)):
            if not all(isinstance(name, str) and name for name in names):
                raise ValueError(f"optimiser.{key} must hold beginnings of names")
        if not 0 < self.slow_ratio <= 1:
            raise ValueError("optimiser.slow_ratio must lie in 0..1, 0 left out")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSection:
    """Length of a run and what happens along it."""

    steps: int = 60_000
    """Optimiser steps in all; with --max-minutes the time decides instead."""
    epoch_steps: int = 1_000
    """Optimiser steps between validations; each ends with a checkpoint."""
    validation_photographs: int = 20
    """Held-out photographs to validate on, at most."""
    validation_crop_px: int = 512
    """Side of the centre crop of a held-out photograph that is validated, high resolution."""
    seed: int = 0
    begin: float = 0.0
    """Share of the run at which it begins: what is scheduled before is left out, for a run with --init."""

    def __post_init__(self) -> None:
        if not 0 <= self.begin < 1:
            raise ValueError("run.begin must lie in 0..1, 1 left out")
        if min(self.steps, self.epoch_steps, self.validation_photographs) < 1:
            raise ValueError("run: steps, epoch_steps and validation_photographs must be at least 1")
        if self.validation_crop_px < 32 or self.validation_crop_px % 32:
            raise ValueError("run.validation_crop_px must be a positive multiple of 32")


def scheduled(peak: float, settings: OptimiserSection, *, share_done: float, step: int) -> float:
    """The learning rate of one step by the recipe's schedule, which both sides of a game follow."""
    return learning_rate(
        peak,
        final_ratio=settings.final_ratio,
        share_done=share_done,
        step=step,
        warmup_steps=settings.warmup_steps,
        form=settings.schedule,
        milestones=settings.milestones,
        milestone_factor=settings.milestone_factor,
    )


def _check_ramp(title: str, first: float, start: float, end: float) -> None:
    if first < 0 or not 0 <= start <= end <= 1:
        raise ValueError(f"{title}: needs first_weight >= 0 and 0 <= ramp_start <= ramp_end <= 1")


def _check_kind(title: str, kind: str, momentum: float) -> None:
    if kind not in OPTIMISERS:
        raise ValueError(f"{title} is {kind!r}; there are {', '.join(OPTIMISERS)}")
    if not 0 <= momentum < 1:
        raise ValueError(f"{title.split('.')[0]}.momentum must lie in 0..1, 1 left out")
