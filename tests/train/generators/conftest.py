"""The networks of the literature at sizes that take milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from facesr_train.generators import GENERATORS
from facesr_train.generators.generator import Generator


@pytest.fixture(scope="session")
def build() -> Callable[..., Any]:
    """Builds a generator from its kind and options, the same at every call."""

    def make(kind: str, **options: Any) -> Generator:
        config, network = GENERATORS[kind]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return network(config(**options))

    return make


@pytest.fixture(scope="session")
def full_size() -> Callable[..., Any]:
    """Builds a generator of full size without memory or numbers."""

    def make(kind: str, **options: Any) -> Generator:
        config, network = GENERATORS[kind]
        with torch.device("meta"):
            return network(config(**options))

    return make


@pytest.fixture
def pictures() -> Callable[..., torch.Tensor]:
    """Seeded noise in [0, 1], float64 (N, 3, H, W)."""

    def make(height: int, width: int, count: int = 1) -> torch.Tensor:
        random = torch.Generator().manual_seed(0)
        return torch.rand(count, 3, height, width, dtype=torch.float64, generator=random)

    return make
