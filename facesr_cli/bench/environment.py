"""The machine and the library versions that figures depend on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from PIL import features

_DISTRIBUTIONS = (
    "facesr-cli",
    "numpy",
    "pillow",
    "scipy",
    "scikit-image",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
)


def describe_environment(also: Iterable[str] = ()) -> dict[str, str]:
    """Return hardware and versions by name; distributions that are not installed are left out.

    Args:
        also: Further distributions, which are no part of facesr-cli but of what was measured.
    """
    environment = {
        "cpu": f"{_cpu_name()}, {os.cpu_count() or 1} logical cores",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for name in dict.fromkeys((*_DISTRIBUTIONS, *also)):
        try:
            environment[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    # `real` and every encode time depend on the JPEG library inside Pillow.
    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    environment["libjpeg"] = jpeg or "unknown"
    return environment


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine() or "unknown processor"
