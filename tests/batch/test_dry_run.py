"""The dry run: what it says, and that it writes nothing."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from facesr_cli.batch import Settings
from facesr_cli.batch.dry_run import dry_run
from facesr_cli.errors import OutputCollisionError

_MODEL = SimpleNamespace(name="nearest", version="1.0", scale=2, digest="sha256:stand-in")


def _snapshot(root):
    return {path: path.stat().st_mtime_ns for path in sorted(root.rglob("*"))}


def test_it_says_what_a_run_would_do_and_writes_nothing(run, album, tmp_path):
    run(album / "a.png", out=album.with_name("album-x2"))
    (album / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    before = _snapshot(tmp_path)

    plan = dry_run(Settings(inputs=(album,)), _MODEL)

    assert _snapshot(tmp_path) == before
    assert (plan.count("upscale"), plan.count("skip"), plan.count("fail")) == (4, 1, 1)
    assert plan.exit_code == 1
    assert plan.megapixels == pytest.approx((10 + 12 + 12 + 12) * 8 / 1e6)
    lines = list(plan.lines())
    assert any("(10x8 -> 20x16)" in line for line in lines)
    assert any(line.startswith("skip [done-before]") for line in lines)
    assert any(line.startswith("fail [") and "broken.jpg" in line for line in lines)
    assert "4 photographs to upscale" in lines[-1]
    document = plan.to_json()
    assert document["dry_run"] is True
    assert document["counts"] == {"upscale": 4, "skip": 1, "fail": 1}
    assert [entry["action"] for entry in document["files"]].count("upscale") == 4


def test_outputs_of_someone_else_and_collisions_show_up_before_the_run(album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"precious")
    (step,) = [
        step for step in dry_run(Settings(inputs=(album,), out=out), _MODEL).steps if step.action == "fail"
    ]
    assert step.reason == "exists-unknown"
    os.link(album / "a.png", album / "a.bmp")
    with pytest.raises(OutputCollisionError):
        dry_run(Settings(inputs=(album,)), _MODEL)
