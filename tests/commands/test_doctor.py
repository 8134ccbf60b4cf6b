"""`facesr-cli doctor`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from facesr_cli.commands.doctor import doctor
from facesr_cli.model import catalogue, diagnosis


@pytest.fixture(autouse=True)
def small_photo(monkeypatch, random_photo):
    monkeypatch.setattr(diagnosis, "sample_photo", lambda: random_photo(24, 24))


def test_a_sound_installation_is_ready(bundled):
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 0, result.output
    for text in ("Python", "onnxruntime", "works", "levels from the CPU", "Ready. The default is"):
        assert text in result.stdout
    assert result.stderr == ""


def test_a_missing_model_is_exit_code_3(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 3
    assert "Problem: The installation is incomplete" in result.stdout
    assert "Not ready" in result.stdout


def test_json(bundled):
    result = CliRunner().invoke(doctor, ["--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["ok"] is True
    assert {report["provider"] for report in found["providers"]} >= {"cpu", "cuda", "tensorrt"}
