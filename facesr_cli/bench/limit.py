"""What the machine can do at best in the same runtime: one large 3x3 convolution, and one large copy.

The network is far from simple arithmetic, so its rate says little by itself. Beside the rate of a convolution
that does nothing else, opened with the same session options, it says how much is left to gain. The model of
two limits, arithmetic and memory, is the roofline of Williams, Waterman and Patterson (2009),
https://doi.org/10.1145/1498765.1498785.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from facesr_cli.bench.bound import BoundSession
from facesr_cli.bench.work import Work
from facesr_cli.model.choosing import open_engine
from facesr_cli.model.session import NetworkSource

_KERNEL = 3
_OPSET = 17
_IR_VERSION = 8

_INPUT, _OUTPUT = "source", "target"


@dataclass(frozen=True, slots=True)
class Convolution:
    """A 3x3 convolution from `channels` to as many, on `batch` square pictures of `side_px`."""

    channels: int
    side_px: int
    batch: int = 1

    @property
    def gflop(self) -> float:
        """10^9 operations of one run."""
        return 2 * _KERNEL**2 * self.channels**2 * self.side_px**2 * self.batch / 1e9

    @property
    def text(self) -> str:
        """As a person names it: `64 to 64 channels, 1 x 512x512`."""
        return f"{self.channels} to {self.channels} channels, {self.batch} x {self.side_px}x{self.side_px}"


CPU_CONVOLUTIONS = (Convolution(64, 512), Convolution(128, 256), Convolution(256, 128))
"""19 GFLOP each. Which one a runtime does best depends on its kernels, so the best one is the limit."""

GPU_CONVOLUTIONS = tuple(Convolution(shape.channels, shape.side_px, batch=16) for shape in CPU_CONVOLUTIONS)

COPY_VALUES = 1 << 26
"""256 MiB in and as much out in fp32: more than any cache."""

REPEATS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What the machine reaches at best on one provider in one precision; medians."""

    provider: str
    """Key of `providers.PROVIDERS`."""
    precision: str
    gflop_per_s: float
    """Of the best convolution."""
    convolution: str
    """Which one that was."""
    gbyte_per_s: float
    """Of an elementwise operator on an array beyond all caches, reads and writes together."""

    def least_s(self, work: Work) -> tuple[float, float]:
        """Seconds that `work` takes at least, by arithmetic and by memory."""
        return work.gflop / self.gflop_per_s, work.gbyte(self.precision) / self.gbyte_per_s


def measure_limit(
    *,
    provider: str,
    precision: str,
    device: int = 0,
    threads: int | None = None,
    convolutions: Sequence[Convolution] | None = None,
    copy_values: int | None = None,
    repeats: int = REPEATS,
) -> Limit:
    """Measure the limit with the session options of `upscale`.

    Args:
        provider: Key of a provider.
        precision: As resolved for the network: `fp32`, `fp16` or `bf16`.
        device: Which GPU, from 0.
        threads: As of `open_engine`.
        convolutions: What to try; None: `CPU_CONVOLUTIONS`, or on a GPU `GPU_CONVOLUTIONS`.
        copy_values: Length of the array that is copied; None: `COPY_VALUES`.
        repeats: Timed runs of each, after one that is not counted.

    Raises:
        ProviderError: The provider does not start.
    """
    if convolutions is None:
        convolutions = CPU_CONVOLUTIONS if provider in ("cpu", "openvino") else GPU_CONVOLUTIONS
    rates = {
        shape: shape.gflop
        / _median_s(_Probe(shape.text, shape), provider, precision, device, threads, repeats)
        for shape in convolutions
    }
    best = max(rates, key=lambda shape: rates[shape])
    values = copy_values or COPY_VALUES
    copied_s = _median_s(_Probe("copy", None, values), provider, precision, device, threads, repeats)
    # The graph of the copy is float32 except where the provider is given float16 graphs, as the network is.
    size = 2 if precision == "fp16" and provider in ("cuda", "directml") else 4
    return Limit(
        provider=provider,
        precision=precision,
        gflop_per_s=rates[best],
        convolution=best.text,
        gbyte_per_s=2 * size * values / copied_s / 1e9,
    )


@dataclass(frozen=True, slots=True)
class _Probe:
    name: str
    convolution: Convolution | None
    copy_values: int = 0

    @property
    def shape(self) -> tuple[int, int, int, int]:
        if self.convolution is None:
            return (1, 1, 1, self.copy_values)
        side = self.convolution.side_px
        return (self.convolution.batch, self.convolution.channels, side, side)

    def build(self, precision: str) -> bytes:
        """The graph, float16 where `precision` says so, float32 otherwise."""
        dtype, element = (
            (np.float16, TensorProto.FLOAT16) if precision == "fp16" else (np.float32, TensorProto.FLOAT)
        )
        weights = []
        if self.convolution is None:
            node = helper.make_node("Neg", [_INPUT], [_OUTPUT])
        else:
            channels = self.convolution.channels
            kernel = np.random.default_rng(0).normal(0, 1e-2, (channels, channels, _KERNEL, _KERNEL))
            weights = [numpy_helper.from_array(kernel.astype(dtype), "kernel")]
            node = helper.make_node("Conv", [_INPUT, "kernel"], [_OUTPUT], pads=[_KERNEL // 2] * 4)
        graph = helper.make_graph(
            [node],
            "limit",
            [helper.make_tensor_value_info(_INPUT, element, self.shape)],
            [helper.make_tensor_value_info(_OUTPUT, element, self.shape)],
            weights,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
        )
        return bytes(model.SerializeToString())


def _median_s(
    probe: _Probe, provider: str, precision: str, device: int, threads: int | None, repeats: int
) -> float:
    digest = "sha256:" + hashlib.sha256(f"limit {probe}".encode()).hexdigest()
    source = NetworkSource(build=probe.build, name=f"limit ({probe.name})", digest=digest)
    engine, _ = open_engine(source, requested=provider, device=device, precision=precision, threads=threads)
    dtype: type[np.generic] = np.float16 if "16" in engine.session.get_inputs()[0].type else np.float32
    array = np.full(probe.shape, 0.5, dtype)
    bound = BoundSession(engine, {_INPUT: array}, {_OUTPUT: (probe.shape, dtype)}, device=device)
    bound.run()
    return statistics.median(bound.run() for _ in range(repeats))
