"""The speed of one row of the table: stages, pipeline, arithmetic beside its limit, memory."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from facesr_cli.bench.contestants import Contestant
from facesr_cli.bench.end_to_end import measure_end_to_end
from facesr_cli.bench.limit import Limit, measure_limit
from facesr_cli.bench.memory import peak_memory
from facesr_cli.bench.throughput import Arithmetic, Throughput, measure
from facesr_cli.bench.work import Work, count_work
from facesr_cli.model.catalogue import resolve_model
from facesr_cli.model.info import read_model
from facesr_cli.model.providers import PROVIDERS

_ON_NVIDIA = ("cuda", "tensorrt")


class Speedometer:
    """Measures contestants one after another; the machine's limit once for each provider and precision.

    Args:
        device: Which GPU the models were opened on, from 0.
        open_upscaler: Opens a model, by name or path, as the contestants were; None: one session each.
    """

    def __init__(self, *, device: int = 0, open_upscaler: Callable[[str], Any] | None = None) -> None:
        self._device = device
        self._open = open_upscaler
        self._limits: dict[tuple[str, str], Limit] = {}

    def measure(self, contestant: Contestant, files: Sequence[Path]) -> Throughput:
        """Measure one row on `files`, JPEG files of one size.

        Raises:
            UpscaleFailedError: The model failed on one of them.
            ProviderError: The provider stopped working.
        """
        key = "" if contestant.used is None else provider_key(contestant.used.provider_actual)
        with peak_memory(gpu=self._device if key in _ON_NVIDIA else None) as peak:
            figures = measure(contestant.enlarge_batch, files, batch_size=contestant.batch_size)
            if contestant.upscaler is not None:
                with tempfile.TemporaryDirectory(prefix="facesr-bench-") as folder:
                    end_to_end = measure_end_to_end(
                        contestant.upscaler,
                        files,
                        Path(folder),
                        forward_per_s=figures.forward_per_s,
                        open_another=self._open and partial(self._open, contestant.requested),
                    )
                figures = dataclasses.replace(figures, end_to_end=end_to_end)
        return dataclasses.replace(
            figures,
            arithmetic=self._arithmetic(contestant, figures),
            peak_host_bytes=peak.host_bytes,
            peak_device_bytes=peak.device_bytes,
        )

    def _arithmetic(self, contestant: Contestant, figures: Throughput) -> Arithmetic | None:
        if contestant.used is None:
            return None
        width, height = figures.input_size
        work = work_of(contestant.requested, width, height)
        if work is None:
            return None
        key, precision = provider_key(contestant.used.provider_actual), contestant.used.precision
        limit = self._limits.get((key, precision))
        if limit is None:
            limit = measure_limit(provider=key, precision=precision, device=self._device)
            self._limits[key, precision] = limit
        return Arithmetic(
            gflop=work.gflop,
            gflop_per_s=work.gflop * figures.forward_per_s,
            limit_gflop_per_s=limit.gflop_per_s,
            limit_convolution=limit.convolution,
            gbyte=work.gbyte(precision),
            limit_gbyte_per_s=limit.gbyte_per_s,
        )


def work_of(model: str, width: int, height: int) -> Work | None:
    """Return what a model, by name or path, does for a photograph of `width` x `height`; None: not known."""
    found = read_model(resolve_model(model))
    multiple = found.info.multiple
    return count_work(found.file.proto, height + -height % multiple, width + -width % multiple)


def provider_key(ort_name: str) -> str:
    """Return our word for onnxruntime's name of a provider."""
    return next(key for key, provider in PROVIDERS.items() if provider.ort_name == ort_name)
