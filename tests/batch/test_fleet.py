"""Several devices, one queue: all of them work, each in one thread, and nothing is lost or exchanged."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from PIL import Image

from facesr_cli.batch import Settings, run_batch
from facesr_cli.batch.fleet import Fleet, members_of
from facesr_cli.errors import ProviderError


class Device:
    """A nearest-neighbour network; with `together` it works only while another one works too."""

    scale = 2
    batch_size = 1
    repeated = ()
    approximated = ()
    provider = SimpleNamespace(requested="cuda", actual="StandInProvider", precision="fp16")
    info = SimpleNamespace(name="nearest", version="1.0", scale=2, digest="sha256:stand-in")

    def __init__(self, together=None, lost_after=None):
        self.together, self.lost_after = together, lost_after
        self.threads, self.done, self.closed = set(), 0, False

    def upscale_batch(self, images):
        self.threads.add(threading.get_ident())
        if self.together is not None:
            self.together.wait()
        if self.done == self.lost_after:
            raise ProviderError("the device has gone")
        self.done += len(images)
        return [image.repeat(2, 0).repeat(2, 1) for image in images]

    def close(self):
        self.closed = True


@pytest.fixture
def numbered(tmp_path):
    """Twelve photographs that differ in colour."""
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(12):
        Image.new("RGB", (4, 3), (20 * index, 0, 0)).save(folder / f"{index:02d}.png")
    return folder


def test_devices_work_at_the_same_time_and_share_one_queue(numbered):
    both = threading.Barrier(2, timeout=20)  # breaks where one of them would work alone
    fleet = Fleet((Device(both), Device(both)))
    report = run_batch(Settings(inputs=(numbered,), workers=2), upscaler_factory=lambda _settings: fleet)
    assert report.count("done") == 12 and report.exit_code == 0
    assert [member.done for member in fleet.members] == [6, 6]
    assert all(len(member.threads) == 1 and member.closed for member in fleet.members)
    assert fleet.members[0].threads != fleet.members[1].threads
    assert report.to_json()["stages"]["threads"] == {"decode": 2, "inference": 2, "encode": 2}
    for index, result in enumerate(report.files):
        with Image.open(result.output) as image:
            assert image.size == (8, 6) and image.getpixel((0, 0))[0] == 20 * index


def test_the_loss_of_one_device_ends_the_run_in_order(numbered):
    fleet = Fleet((Device(), Device(lost_after=2)))
    first, second = (member.upscale_batch for member in fleet.members)
    lost = threading.Event()

    def wait(images):
        if fleet.members[0].done == 3:
            lost.wait(20)  # else it may do everything while the other one waits for a processor
        return first(images)

    def lose(images):
        try:
            return second(images)
        except ProviderError:
            lost.set()
            raise

    fleet.members[0].upscale_batch, fleet.members[1].upscale_batch = wait, lose
    report = run_batch(Settings(inputs=(numbered,), workers=2), upscaler_factory=lambda _settings: fleet)
    assert report.exit_code == 3 and "gone" in str(report.error)
    written = sum(member.done for member in fleet.members)
    assert report.count("done") == written < 12
    assert report.count("not-started") == 12 - written


def test_a_lost_device_is_given_nothing_more(numbered):
    device = Device(lost_after=2)
    calls = []
    real = device.upscale_batch
    device.upscale_batch = lambda images: (calls.append(len(images)), real(images))[1]
    report = run_batch(Settings(inputs=(numbered,), workers=2), upscaler_factory=lambda _settings: device)
    assert report.exit_code == 3 and report.count("done") == 2
    assert len(calls) == 3, "the call that failed is the last one"


def test_a_fleet_stands_for_its_first_member():
    fleet = Fleet((Device(), Device()))
    assert (fleet.scale, fleet.batch_size, fleet.repeated) == (2, 1, ())
    assert fleet.info.name == "nearest" and fleet.provider.precision == "fp16"
    assert members_of(fleet) == fleet.members
    assert members_of(fleet.members[0]) == (fleet.members[0],)
