"""The generators that a recipe can name, one file each.

Every generator takes float32 RGB (N, 3, H, W) in [0, 1] and returns float32 (N, 3, sH, sW), not clamped.
It carries `scale`, `multiple` (H and W must be divisible by it) and `halo` (low-resolution pixels of
context after which an output pixel no longer depends on more).
"""

from __future__ import annotations

from facesr_train.generators.half_resolution import HalfResolutionConfig, HalfResolutionNet

GENERATORS: dict[str, tuple[type[HalfResolutionConfig], type[HalfResolutionNet]]] = {
    "half-resolution": (HalfResolutionConfig, HalfResolutionNet),
}
"""Recipe word -> (configuration, network)."""
