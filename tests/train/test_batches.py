"""How batches are made: on the host or on the device, in few operations, ahead of their step."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from facesr_train import crops, prefetch
from facesr_train.augmentation import Augmentation
from facesr_train.crops import PairSource
from facesr_train.degradations import Degradations
from facesr_train.draws import Draws
from facesr_train.prefetch import Prefetch, prefetched
from facesr_train.resize import resample
from facesr_train.transfer import moved
from facesr_train.windows import HostPhotographs, Places, ResidentPhotographs

CPU = torch.device("cpu")
EVERYTHING = Augmentation(
    varied_share=0.4, rescale_share=0.3, colour_share=0.3, soft_share=0.3, flat_share=0.5
)


@pytest.fixture
def photographs(portrait):
    """Three sizes."""
    whole = torch.from_numpy(portrait).permute(2, 0, 1)
    return [whole[:, :300, :400].contiguous(), whole.contiguous(), whole[:, 100:260, 100:300].contiguous()]


def source(photographs, *, resident=False, augmentation=EVERYTHING):
    return PairSource(
        photographs,
        shares={"paper": 1, "paper-alt": 1, "bicubic": 1, "real": 3},
        sharp_share=0.5,
        augmentation=augmentation,
        seed=3,
        rank=1,
        device=CPU,
        resident=resident,
    )


def test_photographs_on_the_device_and_on_the_host_give_the_same_batches(photographs):
    on_device, on_host = source(photographs, resident=True), source(photographs)
    for step in range(3):
        for ours, theirs in zip(on_device.batch(step, 24, 64), on_host.batch(step, 24, 64), strict=True):
            assert torch.equal(ours, theirs)


def test_windows_are_what_slices_are(photographs):
    numbers = torch.tensor([[0, 3, 5, 40, 0], [1, 472, 472, 40, 1], [2, 0, 160, 40, 1], [2, 120, 0, 40, 0]])
    photograph, top, left, taken_px, mirrored = numbers.T.contiguous().unbind()
    places = Places(photograph=photograph, top=top, left=left, taken_px=taken_px, mirrored=mirrored)
    for found in (ResidentPhotographs(photographs, CPU), HostPhotographs(photographs)):
        for window, (index, y, x, side, flip) in zip(
            found.windows(places, 40), numbers.tolist(), strict=True
        ):
            expected = photographs[index][:, y : y + side, x : x + side]
            assert torch.equal(window, expected.flip(2) if flip else expected)


class _Operations(TorchDispatchMode):
    """Names of the operations that are done within it, those that only look at a tensor left out."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        if not function.is_view:
            self.names.append(function.name())
        return function(*arguments, **(keywords or {}))


def test_a_large_batch_takes_as_many_operations_as_a_small_one(photographs):
    made = source(photographs, resident=True)
    counts = []
    for size in (64, 64, 192):  # the first fills the caches
        with _Operations() as seen:
            made.batch(3, size, 64)  # all kinds of crops are among them
        counts.append(len(seen.names))
    assert counts[1] == counts[2] < 370
    # What would make the host wait for the device, or move a list of numbers there one by one.
    waiting = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::item"}
    assert not waiting & set(seen.names)


class _Devices(TorchDispatchMode):
    """Complains where an operation takes tensors of several devices, and counts those of the CPU."""

    def __init__(self):
        super().__init__()
        self.on_cpu = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        tensors = [item for item in tree_leaves((arguments, keywords)) if isinstance(item, torch.Tensor)]
        kinds = {tensor.device.type for tensor in tensors if tensor.dim()}
        assert len(kinds) < 2, function.name()
        if kinds == {"cpu"}:
            self.on_cpu.append(function.name())
        return function(*arguments, **(keywords or {}))


def test_all_work_after_the_one_copy_is_on_the_device(photographs, monkeypatch):
    """On a device without data, where an operation that needs a value on the host fails."""
    meta = torch.device("meta")
    made = source(photographs, resident=True)
    plan = made._plan(Draws(48, 0), 96)
    made._resident, made._device = ResidentPhotographs(photographs, meta), meta
    monkeypatch.setattr(made, "_plan", lambda draws, side_px: plan)
    generator = torch.Generator()  # there is none for that device
    monkeypatch.setattr(crops.torch, "Generator", lambda device: generator)
    monkeypatch.setattr(
        crops, "draw_noise", lambda hr, drawn, generator: hr.new_empty(len(drawn.coded), 3, 48, 48).float()
    )
    made.batch(0, 48, 64)  # fills the caches
    with _Devices() as seen:
        lr, hr = made.batch(0, 48, 64)
    assert lr.device == hr.device == meta
    assert (lr.shape, hr.shape) == ((48, 3, 32, 32), (48, 3, 64, 64))
    last = max(index for index, name in enumerate(seen.on_cpu) if name == "aten::_to_copy")
    assert seen.on_cpu.count("aten::_to_copy") == 1 and last == len(seen.on_cpu) - 1, (
        "one copy, nothing after"
    )


def test_cubic_resampling_is_that_of_torch_away_from_the_border():
    picture = torch.rand(1, 3, 128, 128) * 255
    for taken_px, cubic, antialias in ((128, -0.5, True), (110, -0.5, True), (40, -0.75, False)):
        square = picture[..., :taken_px, :taken_px]
        expected = F.interpolate(square, (96, 96), mode="bicubic", antialias=antialias)
        found = resample(picture, torch.tensor([taken_px]), torch.tensor([cubic]), 96)
        torch.testing.assert_close(found[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8], atol=0.01, rtol=0)


def test_a_plan_arrives_as_it_was_sent():
    plan = Degradations(
        weights=torch.rand(3, 67),
        coded=torch.tensor([2])[::5],
        noise_sigma=torch.tensor([1.5]),
        jpeg_quality=torch.empty(0, dtype=torch.int64),
        full_colour=1,
    )
    found = moved(plan, CPU)
    assert found.full_colour == 1
    for name in ("weights", "coded", "noise_sigma", "jpeg_quality"):
        before, after = getattr(plan, name), getattr(found, name)
        assert after.dtype == before.dtype and torch.equal(after, before)
    assert found.weights.untyped_storage().data_ptr() == found.noise_sigma.untyped_storage().data_ptr()


class Counting:
    """Batches that tell their request, and which ones were made."""

    def __init__(self):
        self.made = []

    def batch(self, step, size, hr_crop_px):
        self.made.append((step, size, hr_crop_px))
        if step == 13:
            raise ValueError("no photograph for step 13")
        numbers = torch.tensor([step, size, hr_crop_px])
        return numbers, -numbers


def test_batches_are_made_ahead_and_are_the_same(photographs):
    direct = source(photographs)
    ahead = Prefetch(source(photographs), CPU)
    try:
        for step, side in ((0, 64), (1, 64), (2, 96), (3, 96)):  # the crop changes on the way
            for ours, theirs in zip(ahead.batch(step, 4, side), direct.batch(step, 4, side), strict=True):
                assert torch.equal(ours, theirs)
    finally:
        ahead.close()


def test_a_few_batches_wait_and_no_more():
    counting = Counting()
    ahead = Prefetch(counting, CPU, ahead=2)
    assert ahead.batch(0, 4, 64)[0].tolist() == [0, 4, 64]
    until = time.monotonic() + 10
    while len(counting.made) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.05)
    assert counting.made == [(0, 4, 64), (1, 4, 64), (2, 4, 64)]
    assert ahead.batch(1, 4, 64)[1].tolist() == [-1, -4, -64]
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_an_error_in_the_thread_is_raised_where_its_batch_is_asked_for():
    ahead = Prefetch(Counting(), CPU)
    for step in (11, 12):
        ahead.batch(step, 1, 32)
    with pytest.raises(ValueError, match="step 13"):
        ahead.batch(13, 1, 32)
    ahead.close()


def test_a_cpu_makes_batches_when_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(prefetch, "Prefetch", None)
    counting = Counting()
    with prefetched(counting, CPU) as batches:
        assert batches is counting
