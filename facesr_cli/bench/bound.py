"""Runs a session on buffers that are bound once, so that nothing but the network is timed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_cli.model.engine import Engine
from facesr_cli.model.providers import require_onnxruntime

_ON_GPU = ("cuda", "tensorrt")


class BoundSession:
    """A session whose inputs and outputs lie on its device.

    On CUDA and TensorRT they lie in the GPU's memory; for other providers in that of the host, where those
    that compute elsewhere copy them.

    Args:
        engine: The network.
        inputs: Arrays by the name of the input.
        outputs: Shape and type by the name of the output.
        device: Which GPU, from 0.
    """

    def __init__(
        self,
        engine: Engine,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Mapping[str, tuple[tuple[int, ...], type[np.generic]]],
        *,
        device: int = 0,
    ) -> None:
        ort_value = require_onnxruntime().OrtValue
        kind, number = ("cuda", device) if engine.provider.key in _ON_GPU else ("cpu", 0)
        self._engine = engine
        self._binding = engine.session.io_binding()
        self._inputs = {
            name: ort_value.ortvalue_from_numpy(array, kind, number) for name, array in inputs.items()
        }
        self._outputs = {
            name: ort_value.ortvalue_from_shape_and_type(list(shape), dtype, kind, number)
            for name, (shape, dtype) in outputs.items()
        }
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)

    def run(self) -> float:
        """Run once and return the seconds until the device has finished."""
        begun_s = time.perf_counter()
        self._engine.session.run_with_iobinding(self._binding, self._engine.run_options)
        self._binding.synchronize_outputs()
        return time.perf_counter() - begun_s

    def output(self, name: str) -> NDArray[Any]:
        """Copy one output to the host."""
        array: NDArray[Any] = self._outputs[name].numpy()
        return array
