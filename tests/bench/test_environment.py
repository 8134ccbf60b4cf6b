from __future__ import annotations

import pytest

from facesr_cli.bench import environment
from facesr_cli.bench.environment import describe_environment


def test_hardware_and_versions():
    found = describe_environment(also=("pytest", "no-such-distribution"))
    assert {"cpu", "usable cores", "instructions", "memory", "system", "python", "libjpeg"} <= found.keys()
    assert found["numpy"] and found["pytest"]
    assert "no-such-distribution" not in found
    assert all(isinstance(value, str) and value for value in found.values())


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("echo 'Card A, 81559 MiB, 570.1'\necho 'Card B, 81559 MiB, 570.1'", True),
        ("echo broken >&2\nexit 9", False),
    ],
)
def test_gpus_are_those_of_nvidia_smi(monkeypatch, tmp_path, program, expected):
    path = tmp_path / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    monkeypatch.setattr(environment.shutil, "which", lambda _: str(path))
    found = describe_environment()
    assert ("gpu" in found) == expected
    if expected:
        assert found["gpu"] == "Card A, 81559 MiB, 570.1; Card B, 81559 MiB, 570.1"
