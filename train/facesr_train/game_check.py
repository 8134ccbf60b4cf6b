"""What a game, its discriminator and the crops must have in common, found out before a run begins."""

from __future__ import annotations

from typing import Any

from facesr_train.data_section import DataSection
from facesr_train.losses.adversarial import GAMES
from facesr_train.sections import AdversarialSection


def check_game(adversarial: AdversarialSection, discriminator: Any, data: DataSection) -> None:
    """Raise ValueError where they contradict each other.

    Args:
        adversarial: The game.
        discriminator: The configuration of the discriminator's kind.
        data: Crops and batches of all stages; those of a stage before the game starts count as well, since
            the discriminator then has the same size.
    """
    game = GAMES[adversarial.kind]
    batches = [data.batch_size, *(stage.batch_size for stage in data.stages)]
    if min(batches) < game.smallest_batch:
        raise ValueError(
            f"adversarial.kind {adversarial.kind!r} needs batches of {game.smallest_batch} or more"
        )
    verdicts = getattr(discriminator, "verdicts", "logits")
    if verdicts != game.verdicts:
        able = [name for name, other in GAMES.items() if other.verdicts == verdicts]
        raise ValueError(
            f"adversarial.kind {adversarial.kind!r} reads {game.verdicts}, and this discriminator gives "
            f"{verdicts}: it can play {', '.join(able)}"
        )
    fixed_px = getattr(discriminator, "crop_px", None)
    if fixed_px is None or getattr(discriminator, "pooling", "none") == "average":
        return
    for crop_px in (data.hr_crop_px, *(stage.hr_crop_px for stage in data.stages)):
        if crop_px != fixed_px:
            raise ValueError(
                f"the discriminator is made for crops of {fixed_px} px and will be given {crop_px}: set "
                "discriminator.crop_px to data.hr_crop_px, leave out data.stages of other sizes, or choose "
                "a discriminator without a fixed size"
            )
