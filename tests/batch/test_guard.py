"""The outputs guard through a whole run with real networks: hostile ones never get a picture written."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image

from facesr_cli.batch import Settings, run_batch
from facesr_cli.model.engine import Engine
from facesr_cli.model.upscaler import Upscaler


@pytest.fixture
def portraits(tmp_path, photograph):
    for number in range(3):
        photograph(tmp_path / "in" / f"{number}.png", seed=number, width=24, height=20)
    return tmp_path / "in"


def _run(portraits, model, spoil=lambda upscaler: None):
    def factory(_settings):
        upscaler = Upscaler(model, provider="cpu", threads=1)
        spoil(upscaler)
        return upscaler

    report = portraits.with_name("report.json")
    return run_batch(Settings(inputs=(portraits,), report=report, workers=1), upscaler_factory=factory)


@pytest.mark.parametrize("gain", [0.0, 1.2, float("nan")], ids=["black", "bright", "undefined"])
def test_a_network_with_implausible_output_writes_nothing(
    portraits, tmp_path, build_onnx, make_info, tree, gain
):
    report = _run(portraits, build_onnx(tmp_path / "hostile.onnx", info=make_info(), gain=gain))
    assert {result.reason for result in report.files} == {"implausible-output"}
    assert report.exit_code == 1
    assert not portraits.with_name("in-x2").exists()
    listed = json.loads(portraits.with_name("report.json").read_text())["files"]
    assert [entry["status"] for entry in listed] == ["failed"] * 3
    assert all("fp32" in line and "png" in line for line in report.failures())


def test_what_a_device_gets_wrong_is_done_again_on_the_cpu(portraits, tiny_model, tree):
    whole = _run(portraits, tiny_model)
    assert whole.count("done") == 3
    expected = tree(portraits.with_name("in-x2"))

    class Black:
        def run(self, outputs, feeds, options):
            (pixels,) = feeds.values()
            count, height, width, _ = pixels.shape
            black = np.zeros((count, 2 * height, 2 * width, 3), pixels.dtype)
            return [black, np.zeros(count, np.float32)]

    def spoil(upscaler):
        network = upscaler._network
        engine = network._engines.pop(("cpu", "uint8"))
        network.provider_key = "cuda"
        network._engines["cuda", "uint8"] = Engine(Black(), None, engine.provider, "fp16")

    for path in portraits.with_name("in-x2").glob("*.png"):
        path.unlink()
    again = _run(portraits, tiny_model, spoil)
    assert again.count("done") == 3
    for result in again.files:
        assert any("done again in fp32 on the CPU" in note for note in result.notes), "never silently"
    assert tree(portraits.with_name("in-x2")) == expected
    with Image.open(portraits.with_name("in-x2") / "0.png") as image:
        assert np.asarray(image).mean() > 50


def test_a_device_that_dies_ends_the_run_and_the_same_command_goes_on(portraits, tiny_model, photograph):
    for number in range(3, 9):
        photograph(portraits / f"{number}.png", seed=number, width=24, height=20)

    def spoil(upscaler):
        engine = upscaler._network._engines["cpu", "uint8"]

        class Dying:
            runs = 0

            def run(self, outputs, feeds, options):
                self.runs += 1
                if self.runs > 3:
                    raise RuntimeError("CUDA error 700: an illegal memory access was encountered")
                return engine.session.run(outputs, feeds, options)

        upscaler._network._engines["cpu", "uint8"] = replace(engine, session=Dying())

    report = _run(portraits, tiny_model, spoil)
    assert report.exit_code == 3
    assert "stopped working" in str(report.error) and "CUDA error 700" in str(report.error)
    assert report.count("done") == 3 and report.count("failed") == 0
    assert {result.reason for result in report.files if result.status != "done"} == {"provider-lost"}
    second = _run(portraits, tiny_model)
    assert second.exit_code == 0 and second.count("skipped") == 3 and second.count("done") == 6


def test_a_photograph_that_upsets_the_network_does_not_end_the_run(portraits, tiny_model):
    photographs = sorted(portraits.iterdir())
    with Image.open(photographs[1]) as image:
        image.crop((0, 0, 20, 20)).save(photographs[1])

    def spoil(upscaler):
        engine = upscaler._network._engines["cpu", "uint8"]

        class Picky:
            def run(self, outputs, feeds, options):
                if next(iter(feeds.values())).shape[2] == 20:
                    raise RuntimeError("Non-zero status code returned")
                return engine.session.run(outputs, feeds, options)

        upscaler._network._engines["cpu", "uint8"] = replace(engine, session=Picky())

    report = _run(portraits, tiny_model, spoil)
    assert report.exit_code == 1
    assert [result.reason for result in report.files] == [None, "inference-failed", None]


def test_one_undefined_number_is_enough_and_costs_only_its_own_photograph(portraits, tmp_path):
    """Nearest-neighbour, times `(1 - x) / (1 - x)`: undefined where a sample is white."""
    top = onnx.numpy_helper.from_array(np.array(1, np.float32))
    nodes = [
        helper.make_node("Constant", [], ["top"], value=top),
        helper.make_node("Sub", ["top", "x"], ["gap"]),
        helper.make_node("Div", ["gap", "gap"], ["one"]),
        helper.make_node("Mul", ["x", "one"], ["same"]),
        helper.make_node("Concat", ["same"] * 4, ["planes"], axis=1),
        helper.make_node("DepthToSpace", ["planes"], ["y"], blocksize=2),
    ]
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 3, height, width])
        for name, height, width in (("x", "H", "W"), ("y", "h", "w"))
    ]
    graph = helper.make_graph(nodes, "pole", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "pole.onnx")
    for number in range(3):
        pixels = np.full((20, 24, 3), 60 + 30 * number, np.uint8)
        pixels[7, 9, 1] = 255 if number == 1 else 254
        Image.fromarray(pixels).save(portraits / f"{number}.png")

    report = _run(portraits, tmp_path / "pole.onnx")

    assert [result.status for result in report.files] == ["done", "failed", "done"]
    assert report.files[1].reason == "implausible-output" and "undefined" in report.files[1].message
