"""The dependency walls: what must not be imported where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "lightning_fabric", "onnx", "onnxruntime", "numpy", "PIL", "skimage", "scipy", "rich")


def imported(statement: str) -> set[str]:
    """Top-level packages in memory after `statement`, in a fresh interpreter."""
    report = "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    program = f"import sys\n{statement}\n{report}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_the_command_line_starts_light():
    modules = imported("import facesr_cli.cli")
    assert not modules & {*HEAVY, "facesr_train", "facesr_export"}


SLOW_STANDARD = {"asyncio", "concurrent", "ctypes", "dataclasses", "email", "http", "json", "logging"}
SLOW_STANDARD |= {"multiprocessing", "socket", "ssl", "subprocess", "tempfile", "tomllib", "unittest"}
"""Parts of the standard library that `--help` has no need of, and that together take longer than the rest."""


def added(statement: str) -> set[str]:
    """What `statement` loads on top of what this interpreter loads for an empty program."""
    program = f"import sys; before = set(sys.modules)\n{statement}\nfor name in before: del sys.modules[name]"
    return {name for name in imported(program) if not name.startswith("_")}


def test_importing_the_package_loads_nothing_else():
    assert added("import facesr_cli") - sys.stdlib_module_names == {"facesr_cli"}


def test_help_of_every_command_loads_click_alone():
    commands = ["upscale", "bench", "export", "train", "models", "doctor"]
    modules = added(
        "import contextlib, io\n"
        "from facesr_cli.cli import cli\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    for command in {[[], *([name] for name in commands)]}:\n"
        "        cli([*command, '--help'], standalone_mode=False)"
    )
    assert modules - sys.stdlib_module_names == {"click", "facesr_cli"}
    assert not modules & SLOW_STANDARD


def test_the_first_photograph_waits_for_nothing_that_is_not_needed(tmp_path):
    photo = Path(__file__).parent.parent / "examples" / "astronaut-512.png"
    arguments = ["upscale", str(photo), "-o", str(tmp_path / "large.jpg"), "--provider", "cpu", "--quiet"]
    modules = imported(f"from facesr_cli.cli import cli\ncli({arguments!r}, standalone_mode=False)")
    assert (tmp_path / "large.jpg").is_file()
    unneeded = {"rich", "scipy", "skimage", "tifffile", "pillow_heif", "matplotlib", "sympy", "pandas"}
    assert not modules & {*unneeded, "torch", "facesr_train", "facesr_export"}


@pytest.mark.parametrize("statement", ["from facesr_cli import Upscaler", "import facesr_cli.batch.pipeline"])
def test_the_installed_package_is_free_of_torch(statement):
    assert not imported(statement) & {"torch", "facesr_train", "facesr_export"}


def test_training_starts_with_few_packages():
    modules = imported("import facesr_train.session, facesr_cli.commands.train")
    assert not modules & {"onnx", "onnxruntime", "onnxscript", "skimage", "scipy", "tensorboard", "tifffile"}


def test_training_does_not_need_the_exporter():
    assert "facesr_export" not in imported("import facesr_train.session")
