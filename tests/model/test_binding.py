"""Buffers on the device: the same bytes as without them, reused, and few."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from facesr_cli.errors import UpscaleFailedError, UsageError
from facesr_cli.model import binding
from facesr_cli.model.binding import BoundSession
from facesr_cli.model.engine import Engine
from facesr_cli.model.providers import PROVIDERS
from facesr_cli.model.tuning import CANDIDATES, Tuning
from facesr_cli.model.upscaler import Upscaler


@pytest.fixture
def bound(tiny_model):
    with Upscaler(tiny_model, provider="cpu", threads=1, tuning=Tuning(io_binding=True)) as upscaler:
        yield upscaler


def engine_of(upscaler):
    return upscaler._network._engines["cpu", "uint8"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bound_buffers_give_the_same_bytes(bound, upscaler, random_photo, dtype):
    assert engine_of(bound).bound is not None and engine_of(upscaler).bound is None
    for seed in range(3):
        photo = random_photo(20, 30, dtype, seed=seed)
        np.testing.assert_array_equal(bound.upscale(photo), upscaler.upscale(photo))


def test_results_outlive_the_next_run(bound, random_photo):
    photo = random_photo(9, 9)
    first = bound.upscale(photo)
    kept = first.copy()
    bound.upscale(255 - photo)
    np.testing.assert_array_equal(first, kept)


def test_the_buffers_of_a_shape_are_allocated_once(bound, random_photo, monkeypatch):
    made = []
    real = onnxruntime.OrtValue.ortvalue_from_shape_and_type
    monkeypatch.setattr(
        onnxruntime.OrtValue,
        "ortvalue_from_shape_and_type",
        lambda shape, *rest: (made.append(tuple(shape)), real(shape, *rest))[1],
    )
    for seed in range(4):
        bound.upscale(random_photo(8, 10, seed=seed))
    assert made == [(1, 8, 10, 3)]
    addresses = {value.data_ptr() for value in _only(engine_of(bound))._results}
    bound.upscale(random_photo(8, 10, seed=9))
    assert {value.data_ptr() for value in _only(engine_of(bound))._results} == addresses


def _only(engine):
    (buffers,) = engine.bound._buffers.values()
    return buffers


def test_only_some_shapes_keep_their_buffers(bound, random_photo):
    for side in range(5, 5 + 2 * binding.MOST_SHAPES):
        bound.upscale(random_photo(side, side))
    shapes = engine_of(bound).bound.shapes
    assert len(shapes) == binding.MOST_SHAPES
    last = 5 + 2 * binding.MOST_SHAPES - 1
    assert shapes[-1] == (1, last, last, 3)


class Recorder:
    """Stands in for a CUDA session: notes which recording each run belongs to."""

    def __init__(self):
        self.ran, self.released = [], []
        self.fails = False

    def io_binding(self):
        results = [SimpleNamespace(numpy=lambda: np.zeros(1)), SimpleNamespace(numpy=lambda: np.zeros(1))]
        ignore = {name: lambda *_: None for name in ("bind_ortvalue_input", "bind_output")}
        return SimpleNamespace(**ignore, bind_ortvalue_output=lambda *_: None, get_outputs=lambda: results)

    def run_with_iobinding(self, _binding, options):
        if self.fails:
            raise RuntimeError("CUDA failure 2: out of memory")
        self.ran.append(options.entries.get("gpu_graph_id"))

    def release_captured_graph(self, number):
        self.released.append(number)


def fake_onnxruntime():
    def options():
        entries = {}
        return SimpleNamespace(entries=entries, add_run_config_entry=entries.__setitem__)

    value = SimpleNamespace(update_inplace=lambda _pixels: None)
    return SimpleNamespace(
        RunOptions=options,
        OrtValue=SimpleNamespace(ortvalue_from_shape_and_type=lambda *_: value),
    )


def pictures(side):
    return np.zeros((1, side, side, 3), np.uint8)


def test_each_shape_has_a_recording_of_its_own_and_the_first_run_has_none(monkeypatch):
    monkeypatch.setattr(binding, "MOST_SHAPES", 2)
    session = Recorder()
    bound = BoundSession(session, fake_onnxruntime(), device_type="cuda", device=1, graphs=True)
    for side in (4, 4, 4, 8, 8, 4):
        bound.run(pictures(side))
    assert session.ran == ["-1", "1", "1", "-1", "2", "1"]
    bound.run(pictures(16))  # the shape of 8 was used longest ago
    assert session.released == [2] and bound.shapes == ((1, 4, 4, 3), (1, 16, 16, 3))


def test_without_graphs_no_recording_is_named():
    session = Recorder()
    bound = BoundSession(session, fake_onnxruntime(), device_type="cuda", device=0, graphs=False)
    bound.run(pictures(4))
    bound.run(pictures(4))
    assert session.ran == [None, None]


def test_a_lack_of_memory_frees_the_buffers_and_is_typed():
    session = Recorder()
    bound = BoundSession(session, fake_onnxruntime(), device_type="cuda", device=0, graphs=True)
    engine = Engine(session, None, PROVIDERS["cuda"], "fp16", bound)
    session.fails = True
    with pytest.raises(UpscaleFailedError) as caught:
        engine.run(pictures(4))
    assert caught.value.reason == "out-of-memory"
    assert bound.shapes == () and session.released == [1]


def test_tuning_refuses_contradictions():
    with pytest.raises(UsageError, match="io_binding"):
        Tuning(cuda_graphs=True, io_binding=False)
    # Another session that allocates or copies while one records would spoil the recording.
    assert Tuning().sessions_on("cuda") == 2 and Tuning(cuda_graphs=True).sessions_on("cuda") == 1
    with pytest.raises(UsageError, match="one session"):
        Tuning(cuda_graphs=True, sessions=2)
    with pytest.raises(UsageError, match="at least 1"):
        Tuning(sessions=0)
    assert Tuning().binds("cuda") and not Tuning().binds("cpu")
    assert CANDIDATES["default"] == Tuning()


@pytest.mark.parametrize("name", ["no binding", "no spinning", "one session"])
def test_what_a_benchmark_compares_gives_the_same_bytes_on_a_cpu(name, tiny_model, upscaler, random_photo):
    photo = random_photo(31, 17)
    with Upscaler(tiny_model, provider="cpu", threads=1, tuning=CANDIDATES[name]) as tuned:
        np.testing.assert_array_equal(tuned.upscale(photo), upscaler.upscale(photo))
