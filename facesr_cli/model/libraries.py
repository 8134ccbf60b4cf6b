"""Shared libraries of CUDA, cuDNN and TensorRT: loads those that pip installed, names one that is missing."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import io
import sys
import threading
from pathlib import Path

from facesr_cli.model.providers import Provider, require_onnxruntime

_REDIRECTING = threading.Lock()
"""Two redirections of stdout that overlap can end in the wrong order, and stdout is then lost for good."""


def preload_cuda() -> str:
    """Load the CUDA and cuDNN libraries that pip installed, so that onnxruntime finds them.

    May be called from several threads, as each network opens what it lacks in its own.

    Returns:
        What onnxruntime had to say about it, for the message of a failure; it prints that to stdout, where
        only results belong.
    """
    onnxruntime = require_onnxruntime()
    said = io.StringIO()
    if hasattr(onnxruntime, "preload_dlls"):  # since 1.21
        with _REDIRECTING, contextlib.redirect_stdout(said):
            onnxruntime.preload_dlls()
    return said.getvalue().strip()


def preload_tensorrt() -> None:
    """Load the TensorRT libraries that pip installed: onnxruntime's plug-in does not know where they lie.

    Does nothing where TensorRT came another way or not at all; `missing_library` then names what is missing.
    """
    found = importlib.util.find_spec("tensorrt_libs")
    for folder in (found.submodule_search_locations or ()) if found else ():
        for name in ("libnvinfer.so.*", "libnvonnxparser.so.*"):  # the second needs the first
            for library in sorted(Path(folder).glob(name)):
                with contextlib.suppress(OSError):  # then it is missing, or lacks what is
                    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def missing_library(provider: Provider) -> str | None:
    """The shared library that keeps CUDA or TensorRT from loading, e.g. `libcudnn.so.9` (Linux only).

    onnxruntime logs such a failure and carries on with the CPU; loading its plug-in by hand names the cause.
    """
    plugin = {"cuda": "cuda", "tensorrt": "tensorrt"}.get(provider.key)
    if plugin is None or not sys.platform.startswith("linux"):
        return None
    origin = require_onnxruntime().__file__
    assert origin is not None
    folder = Path(origin).parent / "capi"
    try:
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / f"libonnxruntime_providers_{plugin}.so"))
    except OSError as error:
        library, _, fault = str(error).partition(":")
        return library if "cannot open shared object file" in fault else None
    return None
