"""The generators that a recipe can name, one file each.

Every generator takes float32 RGB (N, 3, H, W) in [0, 1] and returns float32 (N, 3, sH, sW), not clamped.
It carries `scale`, `multiple` (H and W must be divisible by it) and `halo` (low-resolution pixels of
context after which an output pixel no longer depends on more). One with branches for training only has
`fold` (see `folding.Foldable`), and is exported folded.
"""

from __future__ import annotations

from facesr_train.generators.half_resolution import HalfResolutionConfig, HalfResolutionNet
from facesr_train.generators.large_kernel import LargeKernelConfig, LargeKernelNet
from facesr_train.generators.reparameterised import ReparameterisedConfig, ReparameterisedNet
from facesr_train.generators.span import SpanConfig, SpanNet

GENERATORS: dict[str, tuple[type[HalfResolutionConfig], type[HalfResolutionNet]]] = {
    "half-resolution": (HalfResolutionConfig, HalfResolutionNet),
    "half-resolution-reparameterised": (ReparameterisedConfig, ReparameterisedNet),
    "half-resolution-span": (SpanConfig, SpanNet),
    "half-resolution-large-kernel": (LargeKernelConfig, LargeKernelNet),
}
"""Recipe word -> (configuration, network)."""
