"""The discriminators that a recipe can name, one file each.

A discriminator takes one float32 RGB (N, 3, H, W) in [0, 1] for each output of the generator that it judges
and returns logits, not probabilities: (N, 1) or (N, 1, h, w), above 0 where it takes the pictures for
originals. The loop averages over what it returns. One variant of `capsule` returns lengths instead, which
only the game `margin` reads.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from facesr_train.discriminators.capsule import CapsuleConfig, CapsuleDiscriminator
from facesr_train.discriminators.gap import GapConfig, GapDiscriminator
from facesr_train.discriminators.paper import PaperDiscriminator, PaperDiscriminatorConfig
from facesr_train.discriminators.patch import PatchConfig, PatchDiscriminator
from facesr_train.discriminators.unet import UNetConfig, UNetDiscriminator
from facesr_train.discriminators.vgg import VggConfig, VggDiscriminator

DISCRIMINATORS: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "patch": (PatchConfig, PatchDiscriminator),
    "unet": (UNetConfig, UNetDiscriminator),
    "paper": (PaperDiscriminatorConfig, PaperDiscriminator),
    "vgg": (VggConfig, VggDiscriminator),
    "gap": (GapConfig, GapDiscriminator),
    "capsule": (CapsuleConfig, CapsuleDiscriminator),
}
"""Recipe word -> (configuration, network)."""
