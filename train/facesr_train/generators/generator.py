"""What every generator is: a network that enlarges, with the facts that the model file states."""

from __future__ import annotations

from torch import nn


class Generator(nn.Module):
    """(N, 3, H, W) float32 RGB [0, 1] -> (N, 3, scale * H, scale * W) float32, not clamped."""

    scale: int = 2
    """Output pixels per input pixel and side."""
    multiple: int = 1
    """H and W must be divisible by it."""

    @property
    def halo(self) -> int | None:
        """Input pixels of context after which an output pixel depends on no more.

        None where it depends on the whole picture, as behind a global mean; tiles then change the result.
        """
        raise NotImplementedError
