"""A network that is loaded on a provider: runs it, and gives onnxruntime's faults our types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_cli.errors import UpscaleFailedError
from facesr_cli.model import graph
from facesr_cli.model.binding import BoundSession
from facesr_cli.model.providers import Provider

_OUT_OF_MEMORY = (
    "out of memory",
    "out_of_memory",
    "outofmemory",
    "failed to allocate memory",
    # cuBLAS and cuDNN: CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
    "alloc_failed",
    "allocation_failed",
    "bad_alloc",
    "bad allocation",
)

# These compute in types of their own choice, in which a mean over millions of pixels may overflow although
# every pixel is sound; on the others the graph's own types count.
_LOWERS_PRECISION = ("tensorrt", "openvino", "coreml")


@dataclass(frozen=True, slots=True)
class Engine:
    """A network that is loaded and verified to run on `provider`."""

    session: Any
    run_options: Any
    provider: Provider
    precision: str
    bound: BoundSession | None = None
    """The same session behind buffers on its device; None: pixels are handed over at each run."""

    def run(self, pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Run the network on (N,H,W,3) RGB pixels of the type it was opened for.

        Returns:
            (N,sH,sW,3) pixels, and the mean of each picture (N,) before it was clipped, white being 1: not
            finite where one of the numbers behind it was not. Where the provider cannot tell, it is the mean
            of the pixels.

        Raises:
            UpscaleFailedError: `out-of-memory` or `inference-failed`.
        """
        try:
            if self.bound is not None:
                result, means = self.bound.run(pixels)
            else:
                result, means = self.session.run(
                    [graph.OUTPUT, graph.MEANS], {graph.INPUT: pixels}, self.run_options
                )
        # onnxruntime raises many classes that share no base; all of them become typed data here.
        except Exception as error:
            message = str(error).strip() or type(error).__name__
            if isinstance(error, MemoryError) or any(words in message.lower() for words in _OUT_OF_MEMORY):
                raise UpscaleFailedError(
                    "out-of-memory", f"{self.provider.title} ran out of memory; try a smaller --tile."
                ) from error
            raise UpscaleFailedError(
                "inference-failed", f"{self.provider.title} failed: {message.splitlines()[0][:300]}"
            ) from error
        means = np.asarray(means, np.float32)
        if self.provider.key in _LOWERS_PRECISION and not np.isfinite(means).all():
            white = np.float32(np.iinfo(result.dtype).max)
            means = np.where(np.isfinite(means), means, result.mean(axis=(1, 2, 3), dtype=np.float32) / white)
        return result, means
