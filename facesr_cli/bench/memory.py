"""Peak memory of this process, and of an NVIDIA GPU, while something runs."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""Written to clear_refs it sets VmHWM to the present size (man 5 proc_pid_clear_refs)."""

_SAMPLE_MS = 100


@dataclass(slots=True)
class PeakMemory:
    """What was found; None where the system does not tell."""

    host_bytes: int | None = None
    """Largest resident size of the process."""
    device_bytes: int | None = None
    """Most memory in use on the GPU, by all programs on it."""


@contextlib.contextmanager
def peak_memory(*, gpu: int | None = None) -> Iterator[PeakMemory]:
    """Yield a `PeakMemory` that is filled when the block ends.

    Args:
        gpu: Number of the NVIDIA GPU to watch by nvidia-smi, as nvidia-smi counts; None: none.
    """
    found = PeakMemory()
    resettable = _reset()
    with contextlib.ExitStack() as stack:
        sampled = None if gpu is None else stack.enter_context(_sampled(gpu))
        yield found
        found.host_bytes = _high_water() if resettable else None
    if sampled is not None:
        found.device_bytes = max(sampled, default=None)


@contextlib.contextmanager
def _sampled(gpu: int) -> Iterator[list[int]]:
    """Yield a list that holds bytes in use once the block has ended; empty without nvidia-smi."""
    samples: list[int] = []
    program = shutil.which("nvidia-smi")
    if program is None:
        yield samples
        return
    command = [program, "-i", str(gpu), "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    process = subprocess.Popen(
        [*command, "-lms", str(_SAMPLE_MS)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield samples
    finally:
        process.terminate()
        said, _ = process.communicate()
        samples += [int(number) * 2**20 for number in re.findall(r"^\s*(\d+)\s*$", said, re.MULTILINE)]


def _reset() -> bool:
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _high_water() -> int | None:
    match = re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return int(match.group(1)) * 1024 if match else None
