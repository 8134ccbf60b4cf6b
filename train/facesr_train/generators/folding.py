"""Networks that have more weights in training than in use."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from facesr_train.generators.generator import Generator


@runtime_checkable
class Foldable(Protocol):
    """A generator whose training-time branches can be merged."""

    def fold(self) -> Generator:
        """An equal network without the branches; `self` stays as it is."""
        ...


def folded(generator: Generator) -> Generator:
    """The network to use: `generator` without its training-time branches, itself where it has none."""
    return generator.fold() if isinstance(generator, Foldable) else generator
