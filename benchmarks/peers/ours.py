"""Our own rows: Pillow's bicubic and Lanczos as in every table, and the networks of facesr-cli on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers.program import Opened, Options, Program
from facesr_cli.bench.contestants import (
    Contestant,
    baseline_contestants,
    common_scale,
    model_contestants,
)
from facesr_cli.model.upscaler import Upscaler

BASELINES = ("bicubic", "lanczos")


def baseline_programs() -> list[Program]:
    """Return bicubic and Lanczos."""
    contestants = {contestant.name: contestant for contestant in baseline_contestants(2)}
    return [_baseline(contestants[name]) for name in BASELINES]


def model_programs(models: Sequence[str], *, threads: int) -> list[Program]:
    """Open our networks on the CPU.

    Args:
        models: Names of bundled models or paths of ONNX files.
        threads: Threads for one photograph.

    Raises:
        CapabilityError: A model cannot be opened.
        UsageError: A model does not double.
    """
    upscalers = [(name, Upscaler(name, provider="cpu", threads=threads)) for name in dict.fromkeys(models)]
    common_scale(upscalers, pairs_given=False)
    licences = [upscaler.info.license or "not stated" for _, upscaler in upscalers]
    return [
        _model(contestant, licence)
        for contestant, licence in zip(model_contestants(upscalers), licences, strict=True)
    ]


def _baseline(contestant: Contestant) -> Program:
    return Program(
        name=contestant.name,
        about=f"Pillow {contestant.name}",
        licence="MIT-CMU",
        open=lambda options: Opened(enlarge=contestant.enlarge),
        distributions=("pillow",),
        threads=1,  # Pillow's resize uses one thread
    )


def _model(contestant: Contestant, licence: str) -> Program:
    used = contestant.used
    assert used is not None

    def opened(options: Options) -> Opened:
        return Opened(enlarge=contestant.enlarge, digest=used.digest)

    return Program(
        name=contestant.name,
        about=f"facesr-cli {used.title}, {used.provider_actual}, {used.precision}",
        licence=licence,
        open=opened,
        distributions=("facesr-cli", "onnxruntime"),
    )
