"""Networks that have more weights in training than in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from facesr_train.generators.generator import Generator


@runtime_checkable
class Foldable(Protocol):
    """A generator whose training-time branches can be merged."""

    def fold(self) -> Generator:
        """An equal network without the branches; `self` stays as it is."""
        ...


@runtime_checkable
class Unfoldable(Protocol):
    """A generator that can go on from the weights of its folded form."""

    def unfolded(self, plain: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A state dictionary for this generator that computes what the folded network with `plain` does.

        Raises:
            ValueError: `plain` is not its folded form.
        """
        ...


def folded(generator: Generator) -> Generator:
    """The network to use: `generator` without its training-time branches, itself where it has none."""
    return generator.fold() if isinstance(generator, Foldable) else generator
