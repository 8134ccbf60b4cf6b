"""What a run depends on beside its recipe: a resumed run says what is no longer as it was."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from facesr_train.hardware import training_precision

DRAWING = 1
"""Version of how crops are drawn, changed and degraded. Whoever changes what a recipe draws (a range, a share
or the order of draws) raises it; a test on one fixed batch notices."""


def conditions(device_type: str) -> dict[str, str]:
    """What the next step depends on beside recipe, photographs and checkpoint, by name, in words."""
    return {
        "drawing of crops": f"version {DRAWING}",
        "device": device_type,
        "precision": training_precision(device_type),
        "torch": str(torch.__version__),  # a plain str: checkpoints are read without pickle
    }


def changes_since(former: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What of `former` is otherwise now, as "name (then, now)", comma-separated; empty where nothing is.

    Checkpoints that were written before conditions were kept have none, so nothing is said of them.
    """
    return ", ".join(
        f"{name} ({then}, now {now.get(name, 'nothing')})"
        for name, then in former.items()
        if now.get(name) != then
    )
