"""What a generator with several outputs has beside its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class ManyOutputs(Protocol):
    """A generator whose losses look at more than the final picture.

    Its `forward(image, every=True)` gives all `outputs` by name, and `forward(image)` the final picture
    alone, which is what is validated and exported.
    """

    outputs: tuple[str, ...]
    """Names, `image` among them."""

    def targets(self, original: Tensor) -> Mapping[str, Tensor]:
        """What each output is compared with, from the (N, 3, 2H, 2W) original."""
        ...


def output_names(generator: type) -> tuple[str, ...]:
    """The names that a recipe can give for a generator: only `image` for most."""
    names: tuple[str, ...] = getattr(generator, "outputs", ("image",))
    return names
