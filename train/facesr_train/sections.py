"""The sections of a recipe: frozen dataclasses that refuse contradictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facesr_train.degradations import NAMES as DEGRADATION_NAMES
from facesr_train.losses import LOSSES
from facesr_train.losses.adversarial import GAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class CropStage:
    """Another size of crops, from a share of the run on."""

    start: float
    """Share of the run at which it sets in, above 0."""
    hr_crop_px: int
    """As in `DataSection`."""
    batch_size: int
    """As in `DataSection`."""

    def __post_init__(self) -> None:
        if not 0 < self.start < 1:
            raise ValueError("data.stages: start must lie between 0 and 1")
        _check_crops("data.stages", self.hr_crop_px, self.batch_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSection:
    """What a batch is made of."""

    hr_crop_px: int = 96
    """Side of the high-resolution crop; a multiple of 32, so that JPEG blocks stay whole."""
    batch_size: int = 16
    """Crops per optimiser step and device."""
    sharp_share: float = 0.5
    """0: every place of a photograph is as likely; 1: in proportion to its gradient."""
    varied_share: float = 0.0
    """Share of crops whose degradation is drawn from wider ranges than `bench` measures with."""
    rescale_share: float = 0.0
    """Share of crops that are reduced from a somewhat larger window, and so are sharper."""
    colour_share: float = 0.0
    """Share of crops whose exposure, gamma and colour balance are changed."""
    soft_share: float = 0.0
    """Share of crops that are enlarged from a smaller window, and so are softer than a photograph."""
    flat_share: float = 0.0
    """Share of crops that are a plain colour or a linear ramp instead of a photograph."""
    stages: tuple[CropStage, ...] = ()
    """Later sizes of crops, by rising `start`: small crops learn fast, large ones what needs context."""
    max_side_px: int = 1024
    """Photographs with a longer shorter side are reduced to this with Lanczos first."""
    degradations: Mapping[str, float] = field(default_factory=dict)
    """Degradation name -> relative frequency."""

    def __post_init__(self) -> None:
        _check_crops("data", self.hr_crop_px, self.batch_size)
        names = ("sharp_share", "varied_share", "rescale_share", "colour_share", "soft_share", "flat_share")
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"data.{name} must lie in 0..1")
        starts = [stage.start for stage in self.stages]
        if starts != sorted(set(starts)):
            raise ValueError(
                "data.stages must be in the order of their start, each later than the one before"
            )
        if not isinstance(self.degradations, Mapping):
            raise ValueError("data.degradations must be a table: [data.degradations]")
        shares = self.degradations.values()
        if not shares or not all(isinstance(share, int | float) and share > 0 for share in shares):
            raise ValueError("data.degradations must name at least one degradation, with positive shares")
        if unknown := set(self.degradations) - set(DEGRADATION_NAMES):
            raise ValueError(
                f"data.degradations: unknown {', '.join(sorted(unknown))}; "
                f"there are {', '.join(DEGRADATION_NAMES)}"
            )

    @property
    def largest_crop_px(self) -> int:
        """Side of the largest crop of any stage."""
        return max(self.hr_crop_px, *(stage.hr_crop_px for stage in self.stages), 0)

    def crops_at(self, share_done: float) -> tuple[int, int]:
        """(hr_crop_px, batch_size) at this share of the run."""
        size = self.hr_crop_px, self.batch_size
        for stage in self.stages:
            if share_done >= stage.start:
                size = stage.hr_crop_px, stage.batch_size
        return size


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
    config: Any
    """The configuration dataclass of the kind; its entries stand beside the others in the TOML table."""

    def __post_init__(self) -> None:
        if self.kind not in LOSSES:
            raise ValueError(f"loss: unknown kind {self.kind!r}; there are {', '.join(LOSSES)}")
        if not (self.weight > 0 and 0 <= self.start < self.end <= 1):
            raise ValueError(f"loss {self.kind}: needs weight > 0 and 0 <= start < end <= 1")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserSection:
    """Adam with linear warm-up and cosine decay, on whose path an average of the weights is kept."""

    learning_rate: float = 1e-3
    """Peak of the schedule."""
    final_ratio: float = 0.01
    """Learning rate at the end, relative to the peak."""
    beta1: float = 0.9
    beta2: float = 0.99
    warmup_steps: int = 100
    """Optimiser steps of linear rise from 0."""
    gradient_clip: float = 1.0
    """Largest global gradient norm; larger ones are scaled down to it."""
    ema_decay: float = 0.999
    """Per step; the averaged weights are the ones validated and exported."""

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.gradient_clip <= 0:
            raise ValueError("optimiser.learning_rate and optimiser.gradient_clip must be positive")
        if not all(0 <= value < 1 for value in (self.beta1, self.beta2, self.ema_decay)):
            raise ValueError("optimiser.beta1, beta2 and ema_decay must lie in 0..1, 1 left out")
        if not 0 <= self.final_ratio <= 1 or self.warmup_steps < 0:
            raise ValueError("optimiser.final_ratio must lie in 0..1, and warmup_steps not be negative")


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

    def __post_init__(self) -> None:
        if min(self.steps, self.epoch_steps, self.validation_photographs) < 1:
            raise ValueError("run: steps, epoch_steps and validation_photographs must be at least 1")
        if self.validation_crop_px < 32 or self.validation_crop_px % 32:
            raise ValueError("run.validation_crop_px must be a positive multiple of 32")


def _check_crops(title: str, hr_crop_px: int, batch_size: int) -> None:
    if hr_crop_px < 32 or hr_crop_px % 32:
        raise ValueError(f"{title}.hr_crop_px must be a positive multiple of 32, not {hr_crop_px}")
    if batch_size < 1:
        raise ValueError(f"{title}.batch_size must be at least 1")
