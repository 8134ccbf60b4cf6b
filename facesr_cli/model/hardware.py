"""Names the processors of this machine, with the standard library alone."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def cpu_name() -> str:
    """Model name of the CPU, e.g. `AMD EPYC 7B13`; the architecture where the system does not tell."""
    match = re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return match.group(1).strip() if match else platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Instruction sets of the CPU as Linux names them; empty where the system does not tell."""
    match = re.search(r"^flags\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return frozenset(match.group(1).split()) if match else frozenset()


def usable_cpus() -> int:
    """Logical CPUs that this process may run on; in a container often fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def nvidia_gpus() -> tuple[str, ...]:
    """Model names of the NVIDIA GPUs that the Linux driver sees, in bus order; empty elsewhere."""
    names = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        match = re.search(r"^Model:\s*(.+)$", _read(path), re.MULTILINE)
        names.append(match.group(1).strip() if match else "NVIDIA GPU")
    return tuple(names)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
