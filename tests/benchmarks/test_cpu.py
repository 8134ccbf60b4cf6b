"""The CPU programme: each part at small sizes with the tiny network."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest

from benchmarks.command import busiest_stage, run, run_seconds
from benchmarks.cpu import __main__ as cpu
from benchmarks.cpu import choices, growth, startup
from benchmarks.quality import loss
from benchmarks.resultfile import document, summary
from facesr_cli.bench import end_to_end
from facesr_cli.errors import UpscaleFailedError


@pytest.fixture
def measured(tiny_model, tmp_path, capsys):
    """Run one part; gives its figures and what was printed."""

    def run_part(part, *options):
        output = tmp_path / "result.json"
        arguments = ["--part", part, "--model", str(tiny_model), "--repeats", "1", "--size", "64"]
        code = cpu.main([*arguments, "--small-limit", *options, "-o", str(output)])
        said = capsys.readouterr()
        assert code == 0, said.err
        content = json.loads(output.read_text())
        assert content["program"] == "benchmarks.cpu" and content["date"]
        assert content["environment"]["usable cores"] and content["settings"]["size_px"] == 64
        return content[part], said.out

    return run_part


def test_arithmetic(measured):
    figures, said = measured("arithmetic")
    plain, *others = figures["rows"]
    assert plain["ratio"] == pytest.approx(plain["gflop_per_s"] / plain["limit_gflop_per_s"])
    assert plain["forward_per_s"] == pytest.approx(1 / plain["forward"]["median_s"])
    assert plain["bound_by"] in ("arithmetic", "memory")
    assert "GFLOP/s: ratio" in said
    assert [(row["provider"], row["precision"]) for row in others] == [
        ("openvino", "fp32"),
        ("openvino", "bf16"),
    ]
    for row in others:  # either measured, or a row that says why not
        assert ("times_plain" in row and "psnr_loss_db" in row) or row["missing"]


def test_pipeline(measured, monkeypatch):
    monkeypatch.setattr(end_to_end, "MOST", 4)
    monkeypatch.setattr(end_to_end, "FEWEST", 4)
    figures, said = measured("pipeline")
    (row,) = figures["rows"]
    assert row["images"] == 4 and row["busiest"] in row["alone_per_s"]
    assert row["share_of_busiest"] > 0 and row["cores_busy"] > 0
    assert "alone, asked for: 0.9" in said


@pytest.mark.timeout(300)  # several processes one after another
def test_startup(measured):
    figures, said = measured("startup")
    rows = {row["name"]: row for row in figures["rows"]}
    assert list(rows) == ["python alone", "import onnxruntime", "facesr-cli --help", "first photograph"]
    assert rows["facesr-cli --help"]["asked_for"] == 0.3
    assert rows["first photograph"]["asked_for"] == 1.5
    assert rows["first photograph"]["outside_stages_s"] > 0
    assert rows["first photograph"]["dearest_imports"]
    assert "first run" in said
    assert all(seconds > 0 for seconds in figures["session"].values())
    assert "opening the network: " in said


def test_imports_are_read_from_what_python_says():
    said = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:      1500 |       1500 |   numpy.core\n"
        "import time:       200 |       1700 | numpy\n"
        "a line of something else\n"
    )
    assert startup.dearest_imports(said) == {"numpy.core": 1.5, "numpy": 0.2}


@pytest.mark.timeout(300)  # several processes one after another
def test_choices(measured, monkeypatch):
    monkeypatch.setattr(choices, "worker_counts", lambda: (1,))
    figures, said = measured("choices", "--images", "2")
    assert [row["level"] for row in figures["png"]] == list(choices.PNG_LEVELS)
    assert figures["png"][0]["file_bytes"] > figures["png"][-1]["file_bytes"]
    full, _, quarter = figures["jpeg"]
    assert full["subsampling"] == "4:4:4" and full["psnr_db"] > quarter["psnr_db"]
    assert full["file_bytes"] > quarter["file_bytes"]
    for pools in (figures["pools"], figures["decode_pools"]):
        assert [row["pool"] for row in pools] == ["threads", "processes"]
        assert all(row["images_per_s"] > 0 for row in pools)
    assert [row["spinning"] for row in figures["spinning"]] == [True, False]
    assert "threads that sleep: " in said
    (row,) = figures["workers"]
    assert row["images_per_s"] > 0 and row["busiest"] in ("decode", "inference", "encode")
    assert "encode in 1 processes" in said


@pytest.mark.timeout(300)  # several processes one after another
def test_growth(measured):
    figures, said = measured("growth", "--sizes", "64,128", "--files", "1,2", "--files-size", "64")
    assert [(row["files"], row["size_px"]) for row in figures["sizes"]] == [(4, 64), (1, 128)]
    assert [row["files"] for row in figures["numbers"]] == [1, 2]
    for row in (*figures["sizes"], *figures["numbers"]):
        assert row["run_s_per_megapixel"] > 0 and row["peak_bytes"] > 1 << 20
        assert row["runs"] == 1 and row["fixed_s"] > 0
        assert row["reference_s_per_megapixel"] > 0 and "relative" in row
    assert "of the reference beside it" in said
    assert "spread" in said and "asked for: at most 0.15" in said


def test_spread():
    assert growth.spread([{"relative": 1.0}, {"relative": 1.2}]) == pytest.approx(0.2)
    assert growth.spread([{"relative": -0.1}, {"relative": 1.2}]) == float("inf")


def test_worker_counts_end_with_all_cpus(monkeypatch):
    for usable, expected in ((1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (16, (1, 2, 4, 8, 16))):
        monkeypatch.setattr(choices, "usable_cpus", lambda usable=usable: usable)
        assert choices.worker_counts() == expected


def test_loss_of_a_worse_result():
    truth = np.full((32, 32, 3), 100, np.uint8)
    plain, worse = truth + np.uint8(1), truth + np.uint8(2)
    found = loss([truth], [plain], [worse], scale=2)
    assert found.psnr_loss_db == pytest.approx(20 * np.log10(2))
    assert found.psnr_against_plain_db == pytest.approx(20 * np.log10(255))
    assert loss([truth], [plain], [plain], scale=2).psnr_loss_db == 0
    assert loss([truth], [plain], [plain], scale=4).psnr_loss_db is None


def test_reports_of_upscale_are_read():
    stages = {"decode_s": 1.0, "infer_s": 2.0, "encode_s": 3.0}
    report = {"elapsed_s": 9.0, "stages": stages}
    assert busiest_stage(report) == "encode" and run_seconds(report) == 9
    named = {"elapsed_s": 9.0, "stages": stages | {"busiest": "inference", "elapsed_s": 8.0}}
    assert busiest_stage(named) == "inference" and run_seconds(named) == 8


def test_overhead_by_size_and_workers(measured):
    figures, said = measured("overhead", "--images", "1")
    rows = figures["rows"]
    assert {row["size_px"] for row in rows} == {64} and rows[0]["workers"] == 1
    assert all(row["images"] == 25 and row["images_per_s"] > 0 and row["cpu_s"] > 0 for row in rows)
    assert "ms of processor time each" in said


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="the system does not tell")
def test_the_peak_of_a_command_is_its_own():
    ballast = np.ones(300 << 20, np.uint8)
    done = run([sys.executable, "-c", "print('well')"])
    assert done.stdout == "well\n" and 0 < done.elapsed_s < 60
    assert 1 << 20 < done.peak_bytes < ballast.nbytes // 2


def test_a_command_that_fails_is_a_typed_error():
    with pytest.raises(UpscaleFailedError, match=r"ended with 3.*no luck"):
        run([sys.executable, "-c", "import sys; sys.stderr.write('no luck'); sys.exit(3)"])
    with pytest.raises(UpscaleFailedError, match="facesr-no-such-program"):
        run(["facesr-no-such-program"])


def test_wrong_usage(tmp_path, capsys):
    assert cpu.main(["--repeats", "0"]) == 2
    assert cpu.main(["-o", str(tmp_path / "missing" / "r.json")]) == 2
    assert cpu.main(["--model", str(tmp_path / "missing.onnx")]) == 3
    assert "at least 1" in capsys.readouterr().err


def test_documents_have_no_infinite_numbers():
    content = document("p", {}, {"rows": [{"psnr_db": float("inf"), "other": (1.0, float("nan"))}]})
    assert content["rows"] == [{"psnr_db": None, "other": [1.0, None]}]
    assert summary([3.0, 1.0, 2.0]) == {"median_s": 2.0, "p95_s": 3.0}
