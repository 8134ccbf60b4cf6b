"""The GPU programme, on the CPU at small sizes."""

from __future__ import annotations

import json
import threading
import time

import pytest

from benchmarks import gpu, gpu_forward, gpu_tuning
from benchmarks.photographs import photograph, write_jpegs
from facesr_cli.bench import end_to_end
from facesr_cli.errors import UpscaleFailedError
from facesr_cli.model.providers import available
from facesr_cli.model.tuning import CANDIDATES

SMALL = ("--provider", "cpu", "--size", "64", "--images", "2", "--repeats", "1", "--small-limit")


@pytest.fixture(autouse=True)
def short_pipelines(monkeypatch):
    monkeypatch.setattr(end_to_end, "MOST", 4)
    monkeypatch.setattr(end_to_end, "FEWEST", 4)


def test_it_measures_on_the_cpu_and_writes_log_and_result(tiny_model, tmp_path):
    output = tmp_path / "result.json"
    code = gpu.main([*SMALL, "--batches", "1,2", "--model", str(tiny_model), "-o", str(output)])
    assert code == 0
    result = json.loads(output.read_text())
    assert result["settings"]["digests"][str(tiny_model)].startswith("sha256:")
    assert result["program"] == "benchmarks.gpu" and result["environment"]["onnxruntime"]
    assert [row["batch"] for row in result["forward"]] == [1, 2]
    for row in result["forward"]:
        assert row["forward_per_s"] > 0 and row["array_per_s"] > 0
        assert row["share_of_limit"] == pytest.approx(row["gflop_per_s"] / result["limits"][0]["gflop_per_s"])
        assert row["bound_by"] in ("arithmetic", "memory")
        assert row["crossing_bytes_per_image"] == 64 * 64 * 3 * 5
    tunings = {row["name"]: row for row in result["tuning"]}
    assert tunings.keys() == {
        *("default", "one session", "two sessions", "no binding", "no spinning", "default again")
    } - {"one session", "no binding"}, "what changes nothing on a CPU is left out"
    assert tunings.keys() < {*CANDIDATES, "default again"}
    assert tunings["default"]["ratio"] == 1 and tunings["two sessions"]["sessions"] == 2
    assert all(row["batch"] == 2 and ("array_per_s" in row or row["missing"]) for row in tunings.values())
    (run,) = result["end_to_end"]
    assert run["images"] == 2 and run["end_to_end_per_s"] > 0
    assert run["busiest"] in ("decode", "inference", "encode")
    (pipeline,) = result["pipeline"]
    assert pipeline["share_of_busiest"] == pytest.approx(
        pipeline["images_per_s"] / min(pipeline["alone_per_s"].values())
    )
    assert result["quality"] == [{"model": str(tiny_model), "provider": "cpu", "missing": "cpu has no fp16"}]
    assert "fastest is '" in output.with_suffix(".log").read_text()
    assert "JPEG to JPEG" in output.with_suffix(".log").read_text()


def test_a_batch_that_does_not_fit_ends_the_batches_and_not_the_run(tiny_model, tmp_path, monkeypatch):
    real = gpu_forward._on_device

    def short(model, limit, pixels, arguments):
        if len(pixels) > 1:
            raise UpscaleFailedError("out-of-memory", "no room for two")
        return real(model, limit, pixels, arguments)

    monkeypatch.setattr(gpu_forward, "_on_device", short)
    monkeypatch.setattr(gpu, "_end_to_end", lambda *_: {})
    output = tmp_path / "result.json"
    assert gpu.main([*SMALL, "--batches", "1,2,4", "--model", str(tiny_model), "-o", str(output)]) == 0
    rows = json.loads(output.read_text())["forward"]
    assert [row["batch"] for row in rows] == [1, 2]
    assert rows[1]["missing"] == "no room for two"


def test_what_fails_is_a_row_and_all_the_others_are_kept(tiny_model, tmp_path, monkeypatch):
    output = tmp_path / "result.json"
    kept = []

    def broken(*_, **__):
        kept.append(json.loads(output.read_text()))
        raise RuntimeError("CUDNN_STATUS_INTERNAL_ERROR\nand more")

    monkeypatch.setattr(gpu, "measure_pipeline", broken)
    monkeypatch.setattr(gpu, "_end_to_end", lambda *_: {"end_to_end_per_s": 1.0})
    assert gpu.main([*SMALL, "--batches", "1", "--model", str(tiny_model), "-o", str(output)]) == 1
    result = json.loads(output.read_text())
    row = {"model": str(tiny_model), "provider": "cpu", "missing": "CUDNN_STATUS_INTERNAL_ERROR"}
    assert result["pipeline"] == [row]
    assert result["end_to_end"] and result["forward"] and result["tuning"]
    (then,) = kept
    assert then["forward"] and then["end_to_end"] and not then["tuning"], "written row by row"
    assert "pipeline " in output.with_suffix(".log").read_text()


def test_sessions_are_warmed_one_by_one_in_the_threads_that_use_them():
    """onnxruntime keeps recorded graphs by thread, and nothing else may run while one is recorded."""
    busy, threads, overlaps = [], {}, []

    class Session:
        def upscale_batch(self, pictures):
            threads.setdefault(id(self), []).append(threading.get_ident())
            if len(threads[id(self)]) <= gpu_tuning.WARM_RUNS:
                overlaps.append(bool(busy))
                busy.append(self)
                time.sleep(0.01)
                busy.remove(self)
            return pictures

    sessions = [Session(), Session()]
    assert gpu_tuning._rate(sessions, [None], 0.05) > 0
    assert not any(overlaps)
    assert all(len(set(idents)) == 1 for idents in threads.values())

    class Broken:
        def upscale_batch(self, _pictures):
            raise UpscaleFailedError("inference-failed", "broken")

    with pytest.raises(UpscaleFailedError, match="broken"):
        gpu_tuning._rate([Session(), Broken()], [None], 0.0)


def test_what_cannot_run_is_said_before_any_work(tmp_path, capsys):
    assert gpu.main(["--provider", "cpu", "--batches", "0"]) == 2
    assert gpu.main(["--provider", "cpu", "-o", str(tmp_path / "missing" / "r.json")]) == 2
    assert "create it first" in capsys.readouterr().err
    assert gpu.main([*SMALL, "--model", str(tmp_path / "no-such.onnx")]) == 3


@pytest.mark.gpu
@pytest.mark.skipif("cuda" not in available(), reason="needs onnxruntime-gpu")
def test_on_a_gpu(tiny_model, tmp_path):
    output = tmp_path / "result.json"
    arguments = ["--provider", "cuda", "--size", "64", "--images", "4", "--repeats", "2", "--batches", "1,2"]
    assert gpu.main([*arguments, "--model", str(tiny_model), "-o", str(output)]) == 0
    result = json.loads(output.read_text())
    assert {row["precision"] for row in result["forward"]} == {"fp32", "fp16"}
    assert result["end_to_end"][0]["peak_device_bytes"] > 0


def test_photographs_differ_and_are_the_same_again(tmp_path):
    assert (photograph(40, 60) == photograph(40, 60)).all()
    assert (photograph(40, 60) != photograph(40, 60, seed=1)).any()
    assert photograph(40, 60).shape == (40, 60, 3)
    paths = write_jpegs(tmp_path / "in", 5, 32, different=2)
    data = [path.read_bytes() for path in paths]
    assert len(paths) == 5 and len(set(data)) == 2
