"""Two result files side by side: what is judged, what is shown, and what ends with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import compare

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"

BASE = {
    "program": "benchmarks.cpu",
    "date": "2026-01-01T00:00:00+00:00",
    "environment": {"cpu": "one", "onnxruntime": "1.20.0"},
    "elapsed_s": 1.0,
    "settings": {"repeats": 7},
    "arithmetic": {
        "rows": [
            {
                "model": "face-x2",
                "provider": "cpu",
                "precision": "fp32",
                "forward_per_s": 10.0,
                "limit_gflop_per_s": 100.0,
                "forward": {"median_s": 0.1, "p95_s": 0.2},
            }
        ]
    },
    "growth": {"sizes": [{"files": 4, "size_px": 256, "s_per_megapixel": 1.0, "peak_bytes": 1000}]},
}
FORWARD = "arithmetic / rows / face-x2, cpu, fp32 / forward_per_s"


def changed(**changes):
    document = json.loads(json.dumps(BASE))
    row = document["arithmetic"]["rows"][0]
    for key, value in changes.items():
        if key in row:
            row[key] = value
        elif key in document["growth"]["sizes"][0]:
            document["growth"]["sizes"][0][key] = value
        else:
            document[key] = value
    return document


@pytest.fixture
def run(tmp_path, capsys):
    def run_with(b, *options, a=BASE):
        paths = tmp_path / "a.json", tmp_path / "b.json"
        for path, document in zip(paths, (a, b), strict=True):
            path.write_text(json.dumps(document))
        code = compare.main([*map(str, paths), *options])
        return code, capsys.readouterr()

    return run_with


def test_equal_files(run):
    code, said = run(BASE)
    assert code == 0
    assert "Hardware, versions and settings: the same" in said.out
    assert "0 of 3 figures slower than 1.10 times" in said.out


@pytest.mark.parametrize(
    ("changes", "slower"),
    [
        ({"forward_per_s": 8.0}, [FORWARD]),
        ({"forward_per_s": 9.5}, []),
        ({"forward_per_s": 20.0}, []),
        ({"s_per_megapixel": 1.2}, ["growth / sizes / size_px 256, files 4 / s_per_megapixel"]),
        ({"forward": {"median_s": 0.1, "p95_s": 0.9}}, []),
        ({"limit_gflop_per_s": 10.0}, []),
        ({"peak_bytes": 9000}, []),
        ({"elapsed_s": 9000.0}, []),
    ],
)
def test_only_speed_is_judged(run, changes, slower):
    code, said = run(changed(**changes), "--json")
    document = json.loads(said.out)
    assert document["slower"] == slower
    assert code == (1 if slower else 0)


def test_the_threshold_is_a_choice(run):
    slow = changed(forward_per_s=8.0)
    assert run(slow, "--slower", "1.3")[0] == 0
    code, said = run(slow)
    assert code == 1
    (line,) = [line for line in said.out.splitlines() if "SLOWER" in line]
    assert FORWARD in line and "0.800" in line and "1.25 SLOWER" in line


def test_hardware_and_versions_that_differ_are_said(run):
    other = changed(environment={"cpu": "two", "onnxruntime": "1.20.0", "gpu": "three"})
    code, said = run(other)
    assert code == 0
    assert "- cpu: one -> two" in said.out
    assert "- gpu: - -> three" in said.out
    assert "- onnxruntime" not in said.out


def test_figures_of_one_file_only_are_said(run):
    other = changed()
    del other["growth"]
    code, said = run(other)
    assert code == 0
    assert "- only in A: growth / sizes / size_px 256, files 4 / s_per_megapixel" in said.out


def test_files_that_cannot_be_compared(run, tmp_path):
    code, said = run(changed(program="benchmarks.gpu"))
    assert code == 2 and "benchmarks.gpu" in said.err
    assert run({"program": "benchmarks.cpu"})[0] == 2
    assert run({"rows": []})[0] == 2
    assert run(BASE, "--slower", "0.5")[0] == 2
    assert compare.main([str(tmp_path / "missing.json"), str(tmp_path / "a.json")]) == 2


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_published_files_can_be_compared(path, capsys):
    assert compare.main([str(path), str(path)]) == 0
    assert "0 of" in capsys.readouterr().out
