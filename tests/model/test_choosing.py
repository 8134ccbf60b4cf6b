"""`auto` takes the faster of OpenVINO and the plain provider on the same processor, and says which it was."""

from __future__ import annotations

import numpy as np
import pytest

from facesr_cli.errors import ModelError, ProviderError
from facesr_cli.model import choosing
from facesr_cli.model.choosing import open_engine
from facesr_cli.model.engine import Engine
from facesr_cli.model.providers import PROVIDERS
from facesr_cli.model.session import NetworkSource

SOURCE = NetworkSource(build=lambda _precision: b"", name="n", digest="", sample=(1, 8, 8))


class Clock:
    """Seconds that only pass where a session takes them."""

    now_s = 0.0

    def perf_counter(self):
        return self.now_s


class Slow:
    """A session that takes `seconds` by `clock` to repeat pixels; None: it cannot."""

    def __init__(self, seconds, clock):
        self.seconds = seconds
        self.clock = clock

    def run(self, _outputs, feeds, _options):
        if self.seconds is None:
            raise RuntimeError("broken")
        self.clock.now_s += self.seconds
        (pixels,) = feeds.values()
        return [pixels.repeat(2, 1).repeat(2, 2), np.zeros(len(pixels), np.float32)]


@pytest.fixture
def machine(monkeypatch):
    """Installs OpenVINO and the CPU provider with the given seconds per picture; returns what was opened."""

    def install(openvino_s, cpu_s, device="CPU", absent=()):
        opened = []

        def open_on(provider, _source, _terms):
            if provider.key in absent:
                kind = ModelError if provider.key == "cpu" else ProviderError
                raise kind(f"{provider.title} did not start: broken.")
            opened.append(provider.key)
            seconds = openvino_s if provider.key == "openvino" else cpu_s
            return Engine(Slow(seconds, clock), None, provider, "fp32")

        clock = Clock()
        monkeypatch.setattr(choosing, "time", clock)

        monkeypatch.setattr(choosing, "available", lambda: ("openvino", "cpu"))
        monkeypatch.setattr(choosing, "open_on", open_on)
        monkeypatch.setattr(choosing, "device_text", lambda _provider, _device: "test CPU")
        monkeypatch.setattr(choosing, "openvino_device", lambda _device: device)
        monkeypatch.setattr(choosing, "installed_wheels", lambda: {"onnxruntime-openvino": "1.24.1"})
        return opened

    return install


def opened(requested="auto", precision="auto"):
    engine, choice = open_engine(SOURCE, requested=requested, device=0, precision=precision, threads=1)
    assert engine.provider is PROVIDERS[choice.key]
    return choice


def test_the_faster_one_is_taken(machine):
    machine(openvino_s=0.002, cpu_s=0.01)
    choice = opened()
    assert choice.key == "openvino"
    assert "times as fast as the plain CPU provider" in choice.reason and "\n" not in choice.reason


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_the_plain_provider_is_taken_where_it_is_faster(machine, precision):
    machine(openvino_s=0.01, cpu_s=0.002)
    choice = opened(precision=precision)
    assert choice.key == "cpu" and not choice.warning
    assert "times as fast as Intel OpenVINO in fp32" in choice.reason


def test_nothing_is_timed_where_there_is_no_choice(machine):
    seen = machine(openvino_s=0.01, cpu_s=0)
    assert opened(requested="openvino").key == "openvino" and seen == ["openvino"]
    seen = machine(openvino_s=0.01, cpu_s=0, device="GPU.0")
    assert opened().key == "openvino" and seen == ["openvino"], "a GPU is no rival of the processor"
    seen = machine(openvino_s=0.01, cpu_s=0)
    assert opened(precision="bf16").key == "openvino" and seen == ["openvino"]
    machine(openvino_s=0, cpu_s=0, absent=("openvino",))
    choice = opened()
    assert choice.key == "cpu" and "did not start" in choice.reason and "did not start" in choice.warning


def test_near_a_tie_the_choice_is_always_the_same(machine):
    for openvino_s, cpu_s in ((1.0, 0.95), (1.0, 1.0), (0.95, 1.0)):
        machine(openvino_s, cpu_s)
        assert opened().key == "openvino"


def test_a_provider_that_cannot_do_the_sample_loses(machine):
    machine(openvino_s=None, cpu_s=1.0)
    choice = opened()
    assert choice.key == "cpu" and "cannot do a sample" in choice.reason
    machine(openvino_s=1.0, cpu_s=None)
    assert opened().key == "openvino"
    machine(openvino_s=1.0, cpu_s=0, absent=("cpu",))
    choice = opened()
    assert choice.key == "openvino" and "cannot load the network" in choice.reason
