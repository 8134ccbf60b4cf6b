"""The limit of the machine, the pipeline beside its stages, and peak memory, on the CPU at small sizes."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from facesr_cli.bench import memory
from facesr_cli.bench.contestants import baseline_contestants, model_contestants
from facesr_cli.bench.end_to_end import measure_end_to_end
from facesr_cli.bench.limit import Convolution, measure_limit
from facesr_cli.bench.memory import peak_memory
from facesr_cli.bench.speed import Speedometer, provider_key
from facesr_cli.bench.speed_table import SPEED_HEADINGS, limit_sentence, speed_cells
from facesr_cli.bench.throughput import SampleInputs
from facesr_cli.bench.work import Work
from facesr_cli.errors import ProviderError, UpscaleFailedError
from facesr_cli.model.tuning import Tuning


@pytest.fixture
def files(tmp_path, face):
    folder = tmp_path / "samples"
    folder.mkdir()
    inputs = SampleInputs(folder)
    for top in (0, 32):
        inputs.offer(face[top : top + 32, :32])
    return inputs.files


def test_limit_names_the_best_convolution():
    shapes = (Convolution(4, 16), Convolution(16, 32, batch=2))
    limit = measure_limit(provider="cpu", precision="fp32", convolutions=shapes, copy_values=1024, repeats=2)
    assert limit.gflop_per_s > 0 and limit.gbyte_per_s > 0
    assert limit.convolution in {shape.text for shape in shapes}
    assert shapes[1].gflop == 2 * 9 * 16 * 16 * 32 * 32 * 2 / 1e9


def test_least_seconds_follow_from_the_limit():
    limit = measure_limit(provider="cpu", precision="fp32", copy_values=1024, repeats=1)
    limit = dataclasses.replace(limit, gflop_per_s=10, gbyte_per_s=4)
    assert limit.least_s(Work(multiply_adds=5 * 10**9, values_moved=10**9)) == (1, 1)


def test_pipeline_beside_its_stages(files, tmp_path, upscaler):
    run = measure_end_to_end(upscaler, files, tmp_path / "run", forward_per_s=1e9)
    assert run.images == 4
    assert 0 < run.cores_busy < 1.5
    assert 0 < run.median_s <= run.p95_s
    assert sum(upscaler.batches) >= 4
    assert not upscaler.closed
    assert len(list((tmp_path / "run" / "out").glob("*.jpg"))) == 4
    assert set(run.alone_per_s) == {"decode", "inference", "encode"}
    assert run.alone_per_s["inference"] == 1e9
    assert run.share_of_busiest == run.images_per_s / min(run.alone_per_s.values())


@pytest.mark.parametrize(("key", "sessions"), [("cuda", 3), ("cpu", 1)])
def test_a_pipeline_has_the_sessions_that_upscale_would_have(
    files, tmp_path, upscaler_class, monkeypatch, key, sessions
):
    monkeypatch.setattr(Tuning, "sessions_on", lambda _tuning, key: {"cuda": 3}.get(key, 1))
    first, others = upscaler_class(), []
    first.provider.key = key

    def another():
        others.append(upscaler_class())
        others[-1].provider.key = key
        return others[-1]

    run = measure_end_to_end(first, files, tmp_path, forward_per_s=1.0, open_another=another)
    assert run.images == len(list((tmp_path / "out").glob("*.jpg")))
    assert run.sessions == sessions == len(others) + 1
    assert all(each.closed for each in others) and not first.closed
    assert (run.alone_per_s["inference"] == 1.0) == (sessions == 1), "measured with as many sessions"


def test_a_session_that_does_not_fit_is_left_out(files, tmp_path, upscaler_class, monkeypatch):
    monkeypatch.setattr(Tuning, "sessions_on", lambda _tuning, _key: 2)
    first, other = upscaler_class(), upscaler_class()
    first.provider.key = "cuda"

    def refused():
        raise ProviderError("no memory is left")

    for name, open_another in (("refused", refused), ("elsewhere", lambda: other)):
        run = measure_end_to_end(first, files, tmp_path / name, forward_per_s=1.0, open_another=open_another)
        assert run.sessions == 1
    assert other.closed, "auto had gone on to the CPU"


def test_a_pipeline_that_fails_is_a_typed_error(files, tmp_path, upscaler_class, face):
    failing = upscaler_class()
    failing.upscale_batch = lambda images: [image[:1] for image in images]
    with pytest.raises(UpscaleFailedError, match="did not finish"):
        measure_end_to_end(failing, files, tmp_path / "run", forward_per_s=1.0)


def test_a_row_of_a_model_and_one_of_a_baseline(files, upscaler):
    (model,) = model_contestants([("nearest", upscaler)])
    figures = Speedometer().measure(model, files)
    assert figures.arithmetic.gflop == 2 * 10**6 / 1e9
    assert figures.arithmetic.gflop_per_s == pytest.approx(2e-3 * figures.forward_per_s)
    assert figures.peak_device_bytes is None
    cells = speed_cells("nearest", figures)
    assert len(cells) == len(SPEED_HEADINGS)
    assert figures.bottleneck in cells
    sentence = limit_sentence("nearest", figures)
    assert f"busiest stage {figures.bottleneck}" in sentence
    assert f"bound by {figures.arithmetic.bound_by}" in sentence

    plain = Speedometer().measure(baseline_contestants(2)[0], files)
    assert plain.end_to_end is None and plain.arithmetic is None
    assert speed_cells("bilinear", plain)[4] == "-"
    assert limit_sentence("bilinear", plain) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_is_that_of_the_block():
    held = np.ones(8 << 20, np.uint8)
    with peak_memory() as small:
        pass
    with peak_memory() as large:
        assert np.ones(64 << 20, np.uint8).sum() == 64 << 20
    assert held.nbytes < small.host_bytes
    assert large.host_bytes - small.host_bytes > 32 << 20


def test_memory_that_the_system_does_not_tell_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "missing" / "file")
    monkeypatch.setattr(memory.shutil, "which", lambda _: None)
    with peak_memory(gpu=0) as peak:
        pass
    assert (peak.host_bytes, peak.device_bytes) == (None, None)


def test_gpu_memory_is_the_most_that_nvidia_smi_said(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 512\necho 2048\necho 1024\nexec sleep 30\n")
    program.chmod(0o755)
    monkeypatch.setattr(memory.shutil, "which", lambda _: str(program))
    import time

    with peak_memory(gpu=0) as peak:
        time.sleep(0.5)
    assert peak.device_bytes == 2048 * 2**20


def test_provider_words():
    assert provider_key("CPUExecutionProvider") == "cpu"
    assert provider_key("TensorrtExecutionProvider") == "tensorrt"
