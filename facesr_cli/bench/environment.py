"""The machine and the library versions that figures depend on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from PIL import features

from facesr_cli.model.hardware import cpu_flags, cpu_name, usable_cpus

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
    "openvino",
    "tensorrt",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
)

_ARITHMETIC = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "amx_fp16",
    "asimd",
)
"""Instruction sets, as Linux names them, that decide how fast a CPU convolves."""


def describe_environment(also: Iterable[str] = ()) -> dict[str, str]:
    """Return hardware and versions by name; distributions that are not installed are left out.

    Args:
        also: Further distributions, which are no part of facesr-cli but of what was measured.
    """
    environment = {
        "cpu": f"{cpu_name() or 'unknown processor'}, {os.cpu_count() or 1} logical cores",
        "usable cores": str(usable_cpus()),
        "instructions": ", ".join(name for name in _ARITHMETIC if name in cpu_flags()) or "unknown",
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    gpu = _nvidia()
    if gpu:
        environment["gpu"] = gpu
    for name in dict.fromkeys((*_DISTRIBUTIONS, *also)):
        try:
            environment[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    # `real` and every encode time depend on the JPEG library inside Pillow.
    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    environment["libjpeg"] = jpeg or "unknown"
    return environment


def _memory() -> str:
    """Main memory of the machine, e.g. `23.4 GiB`."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        match = re.search(r"^MemTotal:\s*(\d+) kB$", meminfo.read_text(), re.MULTILINE)
        if match:
            return f"{int(match.group(1)) / 2**20:.1f} GiB"
    return "unknown"


def _nvidia() -> str:
    """Names, memory and driver of the NVIDIA GPUs as nvidia-smi tells them; empty without it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(line.strip() for line in done.stdout.splitlines())
