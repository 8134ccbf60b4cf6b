from __future__ import annotations

import dataclasses
from itertools import count

import pytest

from facesr_cli.bench import throughput
from facesr_cli.bench.end_to_end import EndToEnd
from facesr_cli.bench.throughput import RUNS, Arithmetic, SampleInputs, StageTime, Throughput, measure


def test_warm_up_batch_is_not_counted(tmp_path, face, upscaler, monkeypatch):
    inputs = SampleInputs(tmp_path)
    inputs.offer(face[:32, :32])
    inputs.offer(face[32:64, :32])
    # Every stage takes one tick, so a batch of two takes half a tick per photograph.
    clock = count()
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: float(next(clock)))
    figures = measure(upscaler.upscale_batch, inputs.files, batch_size=2)
    assert upscaler.batches == [2] * (RUNS // 2 + 1)
    assert figures.runs == RUNS
    assert figures.batch_size == 2
    assert figures.input_size == (32, 32)
    assert figures.decode == StageTime(median_s=1, p95_s=1)
    assert figures.infer == StageTime(median_s=0.5, p95_s=0.5)
    assert figures.encode == StageTime(median_s=1, p95_s=1)
    assert figures.images_per_s == pytest.approx(1 / 2.5)


def test_slow_first_call_does_not_show(tmp_path, face, upscaler, monkeypatch):
    inputs = SampleInputs(tmp_path)
    inputs.offer(face[:32, :32])
    now_s = [0.0]
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: now_s[0])

    def slow_at_first(images):
        now_s[0] += 1.0 if upscaler.batches else 100.0
        return upscaler.upscale_batch(images)

    figures = measure(slow_at_first, inputs.files, batch_size=1)
    assert figures.infer == StageTime(median_s=1, p95_s=1)
    assert figures.images_per_s == pytest.approx(1)


def test_inputs_have_one_size_and_are_limited(tmp_path, face):
    inputs = SampleInputs(tmp_path)
    inputs.offer(face[:32, :32])
    inputs.offer(face[:32, :40])
    assert len(inputs.files) == 1
    for _ in range(RUNS + 3):
        inputs.offer(face[:32, :32])
    assert len(inputs.files) == RUNS == len(list(tmp_path.iterdir()))


def test_bottleneck_is_the_slowest_stage():
    fast, slow = StageTime(median_s=1, p95_s=9), StageTime(median_s=2, p95_s=2)
    figures = Throughput(
        runs=1,
        batch_size=1,
        input_size=(1, 1),
        decode=fast,
        infer=fast,
        encode=slow,
        images_per_s=0.25,
        forward_per_s=1,
    )
    assert figures.bottleneck == "encode"
    # With several threads that encode, the network is the stage that does least.
    run = EndToEnd(
        images=4,
        images_per_s=0.9,
        median_s=1.1,
        p95_s=1.2,
        workers=4,
        cores_busy=0.5,
        alone_per_s={"decode": 4.0, "inference": 1.0, "encode": 2.0},
    )
    assert dataclasses.replace(figures, end_to_end=run).bottleneck == "inference"
    assert run.share_of_busiest == pytest.approx(0.9)


def test_forward_rate_leaves_decoding_and_encoding_out(tmp_path, face, upscaler, monkeypatch):
    inputs = SampleInputs(tmp_path)
    inputs.offer(face[:32, :32])
    clock = count()
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: float(next(clock)))
    assert measure(upscaler.upscale_batch, inputs.files, batch_size=4).forward_per_s == pytest.approx(4)


def test_what_takes_longer_at_best_is_the_bound():
    figures = Arithmetic(
        gflop=10,
        gflop_per_s=40,
        limit_gflop_per_s=50,
        limit_convolution="",
        gbyte=1,
        limit_gbyte_per_s=10,
    )
    assert figures.share_of_limit == pytest.approx(0.8)
    assert figures.bound_by == "arithmetic"
    assert dataclasses.replace(figures, limit_gbyte_per_s=4).bound_by == "memory"
