"""The section of a recipe that says what batches are made of: crops, degradations, which photographs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from facesr_train.degradations import NAMES as DEGRADATION_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSplit:
    """Photographs drawn from a folder and split by a seed, whatever folders lie in it."""

    photographs: int = 500
    """How many are drawn; all of them where there are fewer."""
    train: float = 0.5
    val: float = 0.2
    test: float = 0.3
    """Shares of those drawn; those of `test` are not read and listed in the run's folder."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.photographs < 2 or self.train <= 0 or self.val <= 0 or self.test < 0:
            raise ValueError("data.split: needs photographs >= 2, train > 0, val > 0 and test >= 0")
        if abs(self.train + self.val + self.test - 1) > 1e-9:
            raise ValueError("data.split: train, val and test must add up to 1")


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
    """Share of crops that are a plain colour, a ramp, an edge or stripes instead of a photograph."""
    stages: tuple[CropStage, ...] = ()
    """Later sizes of crops, by rising `start`: small crops learn fast, large ones what needs context."""
    max_side_px: int = 1024
    """Photographs with a longer shorter side are reduced to this with Lanczos first."""
    degradations: Mapping[str, float] = field(default_factory=dict)
    """Degradation name -> relative frequency."""
    frames: bool = False
    """A window is a photograph in itself: nothing around it reaches into its low resolution, and every
    photograph is used once before one is used again. With `hr_crop_px` the side of square photographs a batch
    holds whole ones."""
    split: RandomSplit | None = None
    """How photographs are split at random; none: by the folders `train` and `val`, or by name."""

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


def _check_crops(title: str, hr_crop_px: int, batch_size: int) -> None:
    if hr_crop_px < 32 or hr_crop_px % 32:
        raise ValueError(f"{title}.hr_crop_px must be a positive multiple of 32, not {hr_crop_px}")
    if batch_size < 1:
        raise ValueError(f"{title}.batch_size must be at least 1")
