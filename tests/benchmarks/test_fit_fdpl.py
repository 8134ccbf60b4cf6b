"""The program that measures what a degradation changes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn
from skimage.data import astronaut

from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import paper

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    program = importlib.import_module("benchmarks.fit_fdpl")

    def call(*arguments) -> int:
        monkeypatch.setattr(sys, "argv", ["fit_fdpl", *map(str, arguments)])
        return program.main()

    return call


def coefficients(picture: np.ndarray) -> np.ndarray:
    luma = picture @ np.array([0.299, 0.587, 0.114]) / 255
    blocks = luma.reshape(luma.shape[0] // 8, 8, luma.shape[1] // 8, 8).swapaxes(1, 2)
    return dctn(blocks, axes=(2, 3), norm="ortho")


def test_it_prints_the_change_of_every_coefficient(run, tmp_path, capsys):
    truth = astronaut()[:256, 128:384]
    Image.fromarray(truth).save(tmp_path / "a.png")
    assert run(tmp_path, "--degradation", "paper") == 0
    *rows, summary = capsys.readouterr().out.splitlines()
    a, b = coefficients(truth), coefficients(enlarge(paper(truth), "bicubic", scale=2))
    change = np.abs(a - b) / ((np.abs(a) + np.abs(b)) / 2 + 1e-13)
    printed = [[float(value) for value in row.strip("(),").split(",")] for row in rows]
    np.testing.assert_allclose(printed, change.mean((0, 1)), atol=6e-4)
    assert summary.startswith("1 photographs; the weights sum to ")


def test_a_folder_without_photographs_is_named(run, tmp_path, capsys):
    assert run(tmp_path) == 2
    assert "no photographs in" in capsys.readouterr().err
