"""The discriminators that a recipe can name, one file each.

A discriminator takes one float32 RGB (N, 3, H, W) in [0, 1] for each output of the generator that it judges
and returns logits, not probabilities: (N, 1) or (N, 1, h, w), above 0 where it takes the pictures for
originals. The loop averages over what it returns.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from facesr_train.discriminators.patch import PatchConfig, PatchDiscriminator
from facesr_train.discriminators.unet import UNetConfig, UNetDiscriminator

DISCRIMINATORS: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "patch": (PatchConfig, PatchDiscriminator),
    "unet": (UNetConfig, UNetDiscriminator),
}
"""Recipe word -> (configuration, network)."""
