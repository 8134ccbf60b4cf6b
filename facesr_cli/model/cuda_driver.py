"""Asks NVIDIA's driver about its GPUs: how many, which, and how much of their memory is free.

The driver library comes with the driver, so no CUDA package is needed for it, and it counts GPUs as CUDA does
(`CUDA_VISIBLE_DEVICES` included). Functions: https://docs.nvidia.com/cuda/cuda-driver-api/
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

# Values of CUdevice_attribute.
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_NAME_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaDevice:
    """One GPU as the driver describes it."""

    name: str
    capability: tuple[int, int]
    """Compute capability, e.g. (9, 0)."""
    driver: int
    """Newest CUDA that the driver supports: 12040 is 12.4."""


def device_count() -> int:
    """How many GPUs CUDA can use here; 0 without a driver."""
    library = _library()
    number = ctypes.c_int(0)
    if library is None or library.cuDeviceGetCount(ctypes.byref(number)):
        return 0
    return number.value


def describe(device: int) -> CudaDevice | None:
    """GPU `device`, counted from 0; None where the driver does not know it."""
    library = _library()
    handle = _handle(library, device)
    if library is None or handle is None:
        return None
    name = ctypes.create_string_buffer(_NAME_BYTES)
    major, minor, driver = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(0)
    if (
        library.cuDeviceGetName(name, _NAME_BYTES, handle)
        or library.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, handle)
        or library.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, handle)
        or library.cuDriverGetVersion(ctypes.byref(driver))
    ):
        return None
    return CudaDevice(
        name=name.value.decode(errors="replace"),
        capability=(major.value, minor.value),
        driver=driver.value,
    )


def free_bytes(device: int) -> int | None:
    """Memory of GPU `device` that nothing uses now, in bytes; None where the driver does not tell."""
    library = _library()
    handle = _handle(library, device)
    if library is None or handle is None:
        return None
    # Memory is told per context; the primary one is what onnxruntime works in too.
    context = ctypes.c_void_p()
    if library.cuDevicePrimaryCtxRetain(ctypes.byref(context), handle):
        return None
    try:
        if library.cuCtxPushCurrent_v2(context):
            return None
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        fault = library.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        library.cuCtxPopCurrent_v2(ctypes.byref(context))
        return None if fault else free.value
    finally:
        library.cuDevicePrimaryCtxRelease_v2(handle)


@cache
def _library() -> Any:
    """The driver, initialised; None where there is none."""
    if sys.platform == "darwin":
        return None
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    return None if library.cuInit(0) else library


def _handle(library: Any, device: int) -> ctypes.c_int | None:
    handle = ctypes.c_int(0)
    if library is None or library.cuDeviceGet(ctypes.byref(handle), device):
        return None
    return handle
