"""Buffers that stay on the device: one set for each shape, bound to the session once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_cli.model import graph

MOST_SHAPES = 8
"""Shapes whose buffers are kept; the one unused for longest makes room."""

_NO_GRAPH = -1
"""onnxruntime's number for a run that is neither recorded nor replayed."""


class BoundSession:
    """A session that is run through buffers on its device; not for several threads.

    Args:
        session: Of onnxruntime, opened on the provider.
        onnxruntime: The module.
        device_type: Where the buffers are, as `OrtValue` calls it: `cuda` or `cpu`.
        device: Number of the device, from 0.
        graphs: Whether the session was opened with CUDA graphs; each shape then has a recording of its own.
    """

    def __init__(
        self, session: Any, onnxruntime: Any, *, device_type: str, device: int, graphs: bool
    ) -> None:
        self._session = session
        self._onnxruntime = onnxruntime
        self._place = (device_type, device)
        self._graphs = graphs
        self._opened = 0
        self._buffers: OrderedDict[tuple[tuple[int, ...], str], _Buffers] = OrderedDict()

    def run(self, pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Run on (N,H,W,3) pixels; (N,sH,sW,3) pixels of the same type and the means (N,) float32.

        Both are copies in host memory that later runs leave alone.
        """
        key = pixels.shape, pixels.dtype.name
        buffers = self._buffers.get(key)
        if buffers is None:
            buffers = self._open(pixels)
            self._buffers[key] = buffers
        self._buffers.move_to_end(key)
        try:
            return buffers.run(pixels)
        except BaseException:
            self._forget(key)  # half a recording, or a lack of memory: nothing of it is used again
            raise

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes that have buffers, the one used last at the end."""
        return tuple(shape for shape, _dtype in self._buffers)

    def _open(self, pixels: NDArray[Any]) -> _Buffers:
        while len(self._buffers) >= MOST_SHAPES:
            self._forget(next(iter(self._buffers)))
        self._opened += 1
        return _Buffers(
            self._session,
            pixels,
            onnxruntime=self._onnxruntime,
            place=self._place,
            first=self._options(_NO_GRAPH),
            later=self._options(self._opened),
            number=self._opened,
        )

    def _options(self, number: int) -> Any:
        """Options of a run that belongs to the recording `number`."""
        options = self._onnxruntime.RunOptions()
        options.log_severity_level = 3
        if self._graphs:
            options.add_run_config_entry("gpu_graph_id", str(number))
        return options

    def _forget(self, key: tuple[tuple[int, ...], str]) -> None:
        buffers = self._buffers.pop(key)
        if self._graphs and hasattr(self._session, "release_captured_graph"):
            self._session.release_captured_graph(buffers.number)


class _Buffers:
    """Input and outputs of one shape.

    Args:
        session: Of onnxruntime.
        pixels: Of that shape and type.
        onnxruntime: The module.
        place: Type and number of the device.
        first: Options of the first run, in which onnxruntime allocates the outputs.
        later: Options of the runs after it.
        number: Of the recording of `later`.
    """

    def __init__(
        self,
        session: Any,
        pixels: NDArray[Any],
        *,
        onnxruntime: Any,
        place: tuple[str, int],
        first: Any,
        later: Any,
        number: int,
    ) -> None:
        self.number = number
        self._session = session
        self._place = place
        self._first, self._later = first, later
        self._source = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
            list(pixels.shape), pixels.dtype.type, *place
        )
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(graph.INPUT, self._source)
        for name in (graph.OUTPUT, graph.MEANS):
            self._binding.bind_output(name, *place)
        self._results: list[Any] = []

    def run(self, pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        self._source.update_inplace(pixels)
        self._session.run_with_iobinding(self._binding, self._later if self._results else self._first)
        if not self._results:
            # onnxruntime alone knows their shape, so the first run allocates them, and these stay bound.
            self._results = list(self._binding.get_outputs())
            for name, value in zip((graph.OUTPUT, graph.MEANS), self._results, strict=True):
                self._binding.bind_ortvalue_output(name, value)
        larger, means = (result.numpy() for result in self._results)
        if self._place[0] == "cpu":  # there, numpy() may show the buffer itself
            return np.array(larger), np.array(means)
        return larger, means
