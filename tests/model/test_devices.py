"""One model on several devices: all open on one provider, or none stays open."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from facesr_cli.errors import ProviderError
from facesr_cli.model import devices
from facesr_cli.model.devices import open_on_devices
from facesr_cli.model.tuning import Tuning


class Opener:
    """Notes what is opened; `auto` becomes `key`."""

    def __init__(self, key, broken=None):
        self.key, self.broken = key, broken
        self.opened, self.closed = [], 0

    def __call__(self, provider, device):
        if device == self.broken:
            raise ProviderError("does not start")
        self.opened.append((provider, device))
        return SimpleNamespace(provider=SimpleNamespace(key=self.key), close=self._close)

    def _close(self):
        self.closed += 1


def test_all_devices_on_the_provider_that_auto_chose(monkeypatch):
    monkeypatch.setattr(devices, "device_numbers", lambda _provider: range(3))
    opener = Opener("cuda")
    upscalers = open_on_devices(opener, provider="auto", device="all", tuning=Tuning(sessions=1))
    assert len(upscalers) == 3
    assert opener.opened == [("auto", 0), ("cuda", 1), ("cuda", 2)]


def test_cuda_gets_two_sessions_so_that_copies_overlap():
    opener = Opener("cuda")
    open_on_devices(opener, provider="cuda", device=3)
    assert opener.opened == [("cuda", 3), ("cuda", 3)]


@pytest.mark.parametrize("device", [0, "all"])
def test_a_cpu_is_one_device(device):
    opener = Opener("cpu")
    assert len(open_on_devices(opener, provider="auto", device=device)) == 1


def test_one_that_does_not_open_closes_the_others(monkeypatch):
    monkeypatch.setattr(devices, "device_numbers", lambda _provider: range(3))
    opener = Opener("tensorrt", broken=2)
    with pytest.raises(ProviderError, match="--device all, number 2 from 0: does not start"):
        open_on_devices(opener, provider="tensorrt", device="all")
    assert opener.closed == 2
