"""The doctor's findings."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnxruntime
import pytest

from facesr_cli.model import catalogue, diagnosis
from facesr_cli.model.diagnosis import diagnose, sample_photo


@pytest.fixture
def small_photo(monkeypatch, random_photo):
    monkeypatch.setattr(diagnosis, "sample_photo", lambda: random_photo(24, 24))


def test_the_photograph_is_bundled():
    photo = sample_photo()
    assert photo.shape == (512, 512, 3) and photo.dtype == np.uint8


def test_a_sound_installation(bundled, small_photo):
    found = diagnose()
    assert found.exit_code == 0
    assert found.default is not None
    assert found.problems == ()
    cpu = next(report for report in found.providers if report.provider == "cpu")
    assert (cpu.status, cpu.precision, cpu.max_difference) == ("works", "fp32", 0)
    assert cpu.median_s > 0
    missing = [report for report in found.providers if report.status == "not available"]
    assert all(report.detail for report in missing)
    assert json.loads(json.dumps(found.to_json()))["ok"] is True


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_a_finding(bundled, small_photo, monkeypatch):
    names = ["CoreMLExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    found = diagnose()
    coreml = next(report for report in found.providers if report.provider == "coreml")
    assert coreml.status == "failed"
    assert "did not start" in coreml.detail
    assert found.exit_code == 0


def test_no_onnxruntime_is_a_finding(bundled, small_photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    found = diagnose()
    assert found.exit_code == 3
    assert any("onnxruntime" in problem for problem in found.problems)


def test_two_onnxruntimes_are_a_finding(bundled, small_photo, monkeypatch):
    monkeypatch.setattr(diagnosis, "wheel_conflict", lambda: "two wheels")
    found = diagnose()
    assert found.problems == ("two wheels",)
    assert found.exit_code == 0


def test_missing_weights_are_a_finding(small_photo, monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    found = diagnose()
    assert found.exit_code == 3
    assert "incomplete" in found.problems[0]
