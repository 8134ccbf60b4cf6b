"""The program that fits the statistics of NIQE."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from facesr_cli.bench import niqe

ROOT = Path(__file__).resolve().parents[2]


def run(monkeypatch, *arguments) -> int:
    monkeypatch.syspath_prepend(ROOT)
    fit_niqe = importlib.import_module("benchmarks.fit_niqe")
    monkeypatch.setattr(sys, "argv", ["fit_niqe", *map(str, arguments)])
    return fit_niqe.main()


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for turns in range(2):
        Image.fromarray(np.rot90(astronaut(), turns).copy()).save(folder / f"{turns}.png")
    return folder


def test_it_writes_what_niqe_reads(monkeypatch, tmp_path, photographs, capsys):
    monkeypatch.setattr(niqe, "MIN_PRISTINE_BLOCKS", 4)
    assert run(monkeypatch, photographs, "-o", tmp_path / "s.npz") == 0
    expected = np.concatenate([niqe.sharp_features(np.rot90(astronaut(), turns)) for turns in range(2)])
    with np.load(tmp_path / "s.npz") as arrays:
        np.testing.assert_array_equal(arrays["mean"], expected.mean(axis=0))
    assert capsys.readouterr().out.startswith(f"{len(expected)} blocks of 2 photographs")


def test_too_few_blocks_are_refused(monkeypatch, tmp_path, photographs):
    with pytest.raises(SystemExit, match="are needed"):
        run(monkeypatch, photographs, "-o", tmp_path / "s.npz")
    assert not (tmp_path / "s.npz").exists()


def test_a_folder_without_photographs_is_named(tmp_path):
    command = [sys.executable, "-m", "benchmarks.fit_niqe", str(tmp_path), "-o", str(tmp_path / "s.npz")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "no photographs in" in done.stderr and "Traceback" not in done.stderr
