"""Runs `facesr-cli` as its users do, in a process of its own, with a clock and the kernel's peak memory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from facesr_cli.errors import UpscaleFailedError

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A process that ended with 0."""

    elapsed_s: float
    """From its start to its end, interpreter and imports included."""
    peak_bytes: int | None
    """Largest resident size; None where the system does not tell (Windows)."""
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The document of `upscale --json`."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


def facesr_cli(*arguments: str | Path) -> list[str]:
    """Return the command line of `facesr-cli` of this repository, in this interpreter."""
    return [sys.executable, "-m", "facesr_cli", *map(str, arguments)]


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Finished:
    """Run a command in the repository.

    Args:
        command: The program and its arguments.
        environment: Variables beside those of this process.

    Raises:
        UpscaleFailedError: It ended with another code than 0; the message has the end of what it said.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
        peak_bytes = None
        variables = {**os.environ, **(environment or {})}
        if hasattr(os, "wait4"):
            code, elapsed_s, peak_bytes = _launched(command, variables, out, said)
        else:
            begun_s = time.perf_counter()
            code = subprocess.run(command, cwd=ROOT, stdout=out, stderr=said, env=variables).returncode
            elapsed_s = time.perf_counter() - begun_s
        out.seek(0)
        said.seek(0)
        stdout, stderr = out.read(), said.read()
    if code:
        raise UpscaleFailedError(
            "inference-failed",
            f"{' '.join(command[1:5])} ... ended with {code}: {stderr.strip()[-500:]}",
        )
    return Finished(elapsed_s=elapsed_s, peak_bytes=peak_bytes, stdout=stdout, stderr=stderr)


_LAUNCHER = """
import os, sys, time
begun_s = time.perf_counter()
process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
elapsed_s = time.perf_counter() - begun_s
with open(int(sys.argv[1]), "w") as file:
    file.write(f"{os.waitstatus_to_exitcode(status)} {elapsed_s} {usage.ru_maxrss}")
"""
"""Starts a command and measures it. The kernel's figure of a process begins with the memory of the one that
started it, so that one has to be small."""


def _launched(
    command: Sequence[str], environment: Mapping[str, str], out: IO[str], said: IO[str]
) -> tuple[int, float, int]:
    """Exit code, seconds, and peak bytes of a command, on systems with wait4(2)."""
    with tempfile.TemporaryFile("w+") as measured:
        number = measured.fileno()
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(number), *command]
        with subprocess.Popen(
            launcher,
            cwd=ROOT,
            stdout=out,
            stderr=said,
            env=environment,
            pass_fds=(number,),
            start_new_session=True,
        ) as process:
            try:
                process.wait()
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        measured.seek(0)
        figures = measured.read().split()
    if not figures:  # it could not be started; what the launcher said is in `said`
        return process.returncode or 1, 0.0, 0
    code, elapsed_s, peak = figures
    return int(code), float(elapsed_s), int(peak) * (1 if sys.platform == "darwin" else 1024)


_STAGES = {"decode": "decode_s", "inference": "infer_s", "encode": "encode_s"}


def stage_seconds(report: Mapping[str, Any]) -> dict[str, float]:
    """Return seconds of work by stage, added over threads, from the document of `upscale --json`."""
    return {name: float(report["stages"][key]) for name, key in _STAGES.items()}


def busiest_stage(report: Mapping[str, Any]) -> str:
    """Return the busiest stage as the report names it; the one with most seconds where it names none."""
    seconds = stage_seconds(report)
    return str(report["stages"].get("busiest") or max(seconds, key=lambda name: seconds[name]))


def run_seconds(report: Mapping[str, Any]) -> float:
    """Return the seconds of the run, without opening the network where the report tells them apart."""
    return float(report["stages"].get("elapsed_s", report["elapsed_s"]))
