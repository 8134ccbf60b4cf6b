"""The memory programme runs every kind of photograph through the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs os.wait4")
def test_it_measures_and_writes_a_result_file(tmp_path):
    command = [
        sys.executable,
        "-m",
        "benchmarks.memory",
        "--megapixels",
        "0.02",
        "-o",
        str(tmp_path / "r.json"),
    ]
    for case in ("png16-p3-alpha", "jpeg-cmyk"):
        command += ["--case", case]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "r.json").read_text())
    assert [row["case"] for row in result["rows"]] == ["png16-p3-alpha", "jpeg-cmyk"]
    assert all(0.05 < row["peak_gib"] < 1 and row["output_bytes"] > 0 for row in result["rows"])
    assert result["environment"]["pillow"]
