"""The dependency walls: what must not be imported where."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "lightning_fabric", "onnx", "onnxruntime", "numpy", "PIL", "skimage", "scipy", "rich")


def imported(statement: str) -> set[str]:
    """Top-level packages in memory after `statement`, in a fresh interpreter."""
    report = "json.dumps(sorted({name.split('.')[0] for name in sys.modules}))"
    program = f"import sys, json\n{statement}\nprint({report})"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout))


def test_the_command_line_starts_light():
    modules = imported("import facesr_cli.cli")
    assert not modules & {*HEAVY, "facesr_train", "facesr_export"}


@pytest.mark.parametrize("statement", ["from facesr_cli import Upscaler", "import facesr_cli.batch.pipeline"])
def test_the_installed_package_is_free_of_torch(statement):
    assert not imported(statement) & {"torch", "facesr_train", "facesr_export"}


def test_training_does_not_need_the_exporter():
    assert "facesr_export" not in imported("import facesr_train.session")
