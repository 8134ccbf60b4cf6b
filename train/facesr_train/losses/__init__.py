"""The fidelity losses that a recipe can name; pure functions, weighted by the loop.

All take `output` and `target`, float32 RGB (N, 3, H, W), target in [0, 1], output not clamped, and return a
scalar that is 0 (or the stated constant) where the two are equal.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from facesr_train.losses.pixel import charbonnier, l1, mse

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "charbonnier": charbonnier, "mse": mse}
"""Recipe word -> loss."""
