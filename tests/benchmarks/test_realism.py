"""The program behind the default of --realism."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # it is not installed
    return importlib.import_module("benchmarks.realism")


def test_it_measures_every_value_and_draws_them(program, partner_model, tmp_path, capsys):
    (tmp_path / "faces").mkdir()
    Image.fromarray(astronaut()[:256, 128:384]).save(tmp_path / "faces" / "a.png")
    output, strip = tmp_path / "result.json", tmp_path / "strip.png"
    command = [tmp_path / "faces", "--model", partner_model, "--degradation", "bicubic", "--threads", "1"]
    command += ["--value", "0", "--value", "1", "-o", output, "--strip", strip]
    assert program.main(list(map(str, command))) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("| realism | degradation | PSNR, dB |")
    assert len(table) == 4
    document = json.loads(output.read_text())
    mild, sharp = document["rows"]
    assert (mild["realism"], sharp["realism"]) == (0, 1)
    assert mild["psnr_db"] != sharp["psnr_db"]
    assert document["digests"]["0"] != document["digests"]["1"]
    with Image.open(strip) as picture:
        assert picture.size == (4 * 192 + 3 * 4, 192 + 22)


def test_a_model_without_partner_is_wrong_usage(program, tiny_model, tmp_path, capsys):
    Image.fromarray(astronaut()[:64, 128:192]).save(tmp_path / "a.png")
    assert program.main([str(tmp_path), "--model", str(tiny_model)]) == 2
    assert "no partner" in capsys.readouterr().err
