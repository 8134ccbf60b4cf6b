"""A network that moves brightness says so in its file, and `upscale` then takes its pictures."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from PIL import Image

from facesr_cli.cli import cli
from facesr_cli.errors import UpscaleFailedError
from facesr_cli.model.upscaler import Upscaler
from facesr_export.drift import drift_levels


@pytest.mark.parametrize(("gain", "levels"), [(1.0, 0), (0.99, 0), (0.9, 26), (0.5, 128), (0.0, 255)])
def test_drift_is_the_worst_of_several_pictures(tmp_path, build_onnx, gain, levels):
    model = onnx.load(build_onnx(tmp_path / "m.onnx", gain=gain))
    assert drift_levels(model, multiple=1) == pytest.approx(levels, abs=1)


def test_upscale_writes_what_such_a_network_makes_and_notes_it(tmp_path, build_onnx, make_info):
    Image.fromarray(np.full((32, 32, 3), 120, np.uint8)).save(tmp_path / "a.png")
    path = build_onnx(tmp_path / "dim.onnx", info=make_info(name="dim", drift=128), gain=0.5)
    arguments = ["upscale", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--provider", "cpu"]
    result = CliRunner().invoke(cli, [*arguments, "--model", str(path)])
    assert result.exit_code == 0, result.output
    assert "note: dim moves the brightness of pictures, by up to 128" in result.output
    with Image.open(tmp_path / "out" / "a.png") as larger:
        assert larger.size == (64, 64) and np.asarray(larger).mean() == pytest.approx(60, abs=2)


def test_what_a_file_states_as_its_drift_is_allowed_and_no_more(tmp_path, build_onnx, make_info):
    grey = np.full((32, 32, 3), 100, np.uint8)  # a gain of 1.2 makes it brighter by 20 levels
    for drift, allowed in ((11, False), (13, True)):
        path = build_onnx(tmp_path / f"{drift}.onnx", info=make_info(drift=drift), gain=1.2)
        with Upscaler(path, threads=1) as upscaler:
            if allowed:
                assert upscaler.upscale(grey)[32, 32].mean() == pytest.approx(120, abs=1)
                continue
            with pytest.raises(UpscaleFailedError, match=f"more than {8 + drift} levels"):
                upscaler.upscale(grey)
