"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from facesr_cli.batch.fleet import Fleet, members_of
from facesr_cli.cli import cli
from facesr_cli.commands import upscale as module
from facesr_cli.model import devices


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.parametrize("device", ["0", "all"])
def test_all_devices_of_a_cpu_are_one(tiny_model, tmp_path, device):
    Image.new("RGB", (8, 6), (90, 120, 150)).save(tmp_path / "a.png")
    result = run(
        "upscale", tmp_path / "a.png", "--model", tiny_model, "--provider", "cpu", "--device", device
    )
    assert result.exit_code == 0, result.output
    assert Path(tmp_path / "a-x2.png").is_file()


def test_all_devices_make_a_fleet(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "device_numbers", lambda _provider: range(2))
    opened = []
    real = module._open_upscaler
    monkeypatch.setattr(module, "_open_upscaler", lambda settings: opened.append(real(settings)) or opened[0])
    for index in range(5):
        Image.new("RGB", (8, 6), (40 * index, 120, 150)).save(tmp_path / f"{index}.png")
    result = run("upscale", tmp_path, "--model", tiny_model, "--provider", "cpu", "--device", "all", "-v")
    assert result.exit_code == 0, result.output
    assert isinstance(opened[0], Fleet) and len(members_of(opened[0])) == 2
    assert "5 done" in result.stderr and " was busy " in result.stderr


def test_a_dry_run_on_all_devices_forecasts(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "device_numbers", lambda _provider: range(2))
    for index in range(5):
        Image.new("RGB", (8, 6), (40 * index, 120, 150)).save(tmp_path / f"{index}.png")
    result = run(
        "upscale", tmp_path, "--model", tiny_model, "--provider", "cpu", "--device", "all", "--dry-run"
    )
    assert result.exit_code == 0, result.output
    assert "5 photographs to upscale" in result.stdout and "measured on 3 photographs" in result.stdout


@pytest.mark.parametrize(("command", "device"), [("upscale", "-1"), ("upscale", "any"), ("bench", "all")])
def test_devices_that_do_not_exist_are_wrong_usage(tmp_path, command, device):
    result = run(command, tmp_path, "--device", device)
    assert result.exit_code == 2 and "--device" in result.stderr
