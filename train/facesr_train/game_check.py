"""What a game, its discriminator and the crops must have in common, found out before a run begins."""

from __future__ import annotations

from typing import Any

from facesr_train.data_section import DataSection
from facesr_train.losses.adversarial import GAMES
from facesr_train.sections import AdversarialSection

FULL_SIZE = ("image", "base")
"""Outputs of generators that have the side of a crop."""


def check_game(adversarial: AdversarialSection, discriminator: Any, data: DataSection) -> None:
    """Raise ValueError where they contradict each other.

    Args:
        adversarial: The game.
        discriminator: The configuration of the discriminator's kind.
        data: Crops and batches; only those from the start of the game on count.
    """
    game = GAMES[adversarial.kind]
    moments = (adversarial.start, *(stage.start for stage in data.stages if stage.start > adversarial.start))
    crops = [data.crops_at(moment) for moment in moments]
    if min(batch_size for _, batch_size in crops) < game.smallest_batch:
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
    pictures = getattr(discriminator, "pictures", 1)
    if len(adversarial.judges) != pictures:
        raise ValueError(
            f"this discriminator judges {pictures} at a time, and adversarial.judges names "
            f"{', '.join(adversarial.judges)}"
        )
    made_for_px = getattr(discriminator, "crop_px", None)
    if made_for_px is None or adversarial.judges[0] not in FULL_SIZE:
        return
    pools = getattr(discriminator, "pooling", "none") == "average"
    for crop_px, _ in crops:
        if crop_px < made_for_px if pools else crop_px != made_for_px:
            least = " or more" if pools else ""
            raise ValueError(
                f"the discriminator is made for crops of {made_for_px} px{least} and will be given "
                f"{crop_px}: set discriminator.crop_px to data.hr_crop_px, or change data.stages"
            )
