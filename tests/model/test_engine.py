"""Faults of onnxruntime become typed ones."""

from __future__ import annotations

import numpy as np
import pytest

from facesr_cli.errors import UpscaleFailedError
from facesr_cli.model.engine import Engine
from facesr_cli.model.providers import PROVIDERS


@pytest.mark.parametrize(
    "message",
    [
        "CUDA failure 2: out of memory",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN failure: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "std::bad_alloc",
    ],
)
def test_a_lack_of_memory_is_known_by_the_words_of_each_library(message):
    class Short:
        def run(self, *_):
            raise RuntimeError(message)

    engine = Engine(Short(), None, PROVIDERS["cuda"], "fp16")
    with pytest.raises(UpscaleFailedError) as caught:
        engine.run(np.zeros((1, 8, 8, 3), np.uint8))
    assert caught.value.reason == "out-of-memory"
