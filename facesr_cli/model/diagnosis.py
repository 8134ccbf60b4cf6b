"""Tries everything this installation offers on one photograph, and says what works and what to install."""

from __future__ import annotations

import platform
import statistics
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_cli import __version__
from facesr_cli.errors import FacesrError
from facesr_cli.model.catalogue import DEFAULT_MODEL, resolve_model
from facesr_cli.model.hardware import cpu_name, nvidia_gpus, usable_cpus
from facesr_cli.model.providers import (
    PROVIDERS,
    Provider,
    available,
    installed_wheels,
    remedy_for,
    wheel_conflict,
)
from facesr_cli.model.upscaler import Upscaler

TOLERANCE_LEVELS = {"fp32": 2, "fp16": 4, "bf16": 16}
"""Largest difference from fp32 on the CPU that a precision explains, in 8-bit levels."""

RUNS = 3

_TRAIN_PACKAGES = ("torch", "lightning_fabric", "onnxscript", "tensorboard")
_BASE_PACKAGES = ("click", "numpy", "onnx", "pillow", "rich", "scikit-image")

Status = Literal["works", "differs", "failed", "not available"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReport:
    """What became of one execution provider."""

    provider: str
    title: str
    status: Status
    detail: str
    """Device, or what went wrong and what to do."""
    precision: str | None = None
    median_s: float | None = None
    """Median wall time of one 512x512 photograph, the first run left out."""
    max_difference: int | None = None
    """Largest difference from fp32 on the CPU, in 8-bit levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What `facesr-cli doctor` found."""

    version: str
    python: str
    system: str
    cpu: str
    cpus: int
    """Logical CPUs this process may use."""
    gpus: tuple[str, ...]
    """NVIDIA GPUs that the Linux driver lists."""
    packages: dict[str, str]
    wheels: dict[str, str]
    """Distributions of onnxruntime and their versions; there should be exactly one."""
    train_extra: bool
    """Whether the packages of the extra `train` are there."""
    model: str
    default: str | None
    """What `--provider auto` chose, and why; None where it cannot run."""
    providers: tuple[ProviderReport, ...]
    problems: tuple[str, ...]
    """Faults of the installation, each with its remedy."""

    @property
    def exit_code(self) -> int:
        """0 where the default model runs on the default provider, else 3."""
        return 0 if self.default is not None else 3

    def to_json(self) -> dict[str, Any]:
        """The findings as plain types."""
        return asdict(self) | {"ok": self.exit_code == 0}


def diagnose(model: str | Path = DEFAULT_MODEL) -> Diagnosis:
    """Run `model` on every provider there is; faults become part of the findings, nothing is raised."""
    problems = [text for text in (wheel_conflict(),) if text]
    photo = sample_photo()
    default: str | None = None
    providers: tuple[ProviderReport, ...] = ()
    try:
        path = model if isinstance(model, Path) else resolve_model(model)
        with Upscaler(path) as upscaler:
            upscaler.upscale(photo)
            default = upscaler.provider.reason
        providers = _try_all(path, photo)
    except FacesrError as error:
        problems.append(str(error))
    return Diagnosis(
        version=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.platform(),
        cpu=cpu_name(),
        cpus=usable_cpus(),
        gpus=nvidia_gpus(),
        packages={name: metadata.version(name) for name in _BASE_PACKAGES if _is_installed(name)},
        wheels=installed_wheels(),
        train_extra=all(find_spec(name) is not None for name in _TRAIN_PACKAGES),
        model=str(model),
        default=default,
        providers=providers,
        problems=tuple(problems),
    )


def sample_photo() -> NDArray[np.uint8]:
    """(512,512,3) uint8 RGB: the portrait of Eileen Collins (NASA, public domain) in scikit-image's wheel."""
    from skimage import data  # slow to import

    return np.ascontiguousarray(data.astronaut(), dtype=np.uint8)  # type: ignore[no-untyped-call]


def _try_all(path: Path, photo: NDArray[np.uint8]) -> tuple[ProviderReport, ...]:
    offered = available()
    with Upscaler(path, provider="cpu") as upscaler:
        expected = upscaler.upscale(photo)
    return tuple(
        _try(provider, path, photo, expected)
        if key in offered
        else ProviderReport(
            provider=key, title=provider.title, status="not available", detail=remedy_for(provider)
        )
        for key, provider in PROVIDERS.items()
    )


def _try(
    provider: Provider, path: Path, photo: NDArray[np.uint8], expected: NDArray[np.uint8]
) -> ProviderReport:
    try:
        with Upscaler(path, provider=provider.key) as upscaler:
            result = upscaler.upscale(photo)
            elapsed_s = []
            for _ in range(RUNS):
                start_s = time.perf_counter()
                upscaler.upscale(photo)
                elapsed_s.append(time.perf_counter() - start_s)
            choice = upscaler.provider
    except FacesrError as error:
        return ProviderReport(provider=provider.key, title=provider.title, status="failed", detail=str(error))
    difference = int(np.abs(result.astype(np.int16) - expected).max())
    limit = TOLERANCE_LEVELS[choice.precision]
    fault = f"; {difference} levels from the CPU's picture, at most {limit} are normal for {choice.precision}"
    return ProviderReport(
        provider=provider.key,
        title=provider.title,
        status="works" if difference <= limit else "differs",
        detail=choice.device + (fault if difference > limit else ""),
        precision=choice.precision,
        median_s=statistics.median(elapsed_s),
        max_difference=difference,
    )


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
