"""The dry run: what it says, and that it writes nothing."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest

from facesr_cli.batch import Settings
from facesr_cli.batch import forecast as module
from facesr_cli.batch.dry_run import dry_run
from facesr_cli.batch.wording import amount, duration
from facesr_cli.errors import OutputCollisionError

_MODEL = SimpleNamespace(name="nearest", version="1.0", scale=2, digest="sha256:stand-in")


def _snapshot(root):
    return {path: path.stat().st_mtime_ns for path in sorted(root.rglob("*"))}


def test_it_says_what_a_run_would_do_and_writes_nothing(run, upscaler, album, tmp_path):
    run(album / "a.png", out=album.with_name("album-x2"))
    (album / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    before = _snapshot(tmp_path)

    plan = dry_run(Settings(inputs=(album,)), _MODEL, upscaler_factory=lambda _settings: upscaler)

    assert _snapshot(tmp_path) == before
    assert upscaler.closed
    assert (plan.count("upscale"), plan.count("skip"), plan.count("fail")) == (4, 1, 1)
    assert plan.exit_code == 1
    assert plan.megapixels == pytest.approx((10 + 12 + 12 + 12) * 8 / 1e6)
    lines = list(plan.lines())
    assert any("(10x8 -> 20x16)" in line for line in lines)
    assert any(line.startswith("skip [done-before]") for line in lines)
    assert any(line.startswith("fail [") and "broken.jpg" in line for line in lines)
    assert "4 photographs to upscale" in lines[-2]
    assert lines[-1].startswith("about ") and "measured on 3 photographs" in lines[-1]
    document = plan.to_json()
    assert document["dry_run"] is True
    assert document["counts"] == {"upscale": 4, "skip": 1, "fail": 1}
    assert [entry["action"] for entry in document["files"]].count("upscale") == 4


def test_a_picture_too_long_for_its_format_fails_before_the_network_works_on_it(
    run, upscaler, photograph, tmp_path
):
    photograph(tmp_path / "in" / "long.webp", width=8192, height=1)
    photograph(tmp_path / "in" / "short.webp")
    (step,) = [
        step
        for step in dry_run(
            Settings(inputs=(tmp_path / "in",)), _MODEL, upscaler_factory=lambda _settings: upscaler
        ).steps
        if step.action == "fail"
    ]
    assert step.reason == "format-limit" and step.source.name == "long.webp"
    upscaler.batches.clear()
    report = run(tmp_path / "in")
    assert [result.reason for result in report.files] == ["format-limit", None]
    assert upscaler.batches == [[(8, 12, 3)]]
    assert "long.webp" in next(iter(report.failures()))


def test_outputs_of_someone_else_and_collisions_show_up_before_the_run(upscaler, album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"precious")
    plan = dry_run(Settings(inputs=(album,), out=out), _MODEL, upscaler_factory=lambda _settings: upscaler)
    (step,) = [step for step in plan.steps if step.action == "fail"]
    assert step.reason == "exists-unknown"
    os.link(album / "a.png", album / "a.bmp")
    with pytest.raises(OutputCollisionError):
        dry_run(Settings(inputs=(album,)), _MODEL, upscaler_factory=_not_to_be_opened)


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
def test_names_in_any_bytes_can_be_printed(tmp_path):
    broken = tmp_path / "in" / os.fsdecode(b"caf\xe9\x1b.png")
    broken.parent.mkdir()
    broken.write_bytes(b"text")
    plan = dry_run(Settings(inputs=(tmp_path / "in",)), _MODEL, upscaler_factory=_not_to_be_opened)
    (line, _summary) = plan.lines()
    assert line.startswith("fail [") and "caf\ufffd\\x1b.png" in line
    assert line.encode().decode() == line


def _not_to_be_opened(_settings):
    raise AssertionError("the network was opened")


def test_with_nothing_to_do_the_network_is_not_opened(run, album):
    run(album)
    plan = dry_run(Settings(inputs=(album,)), _MODEL, upscaler_factory=_not_to_be_opened)
    assert plan.count("skip") == 5 and plan.forecast is None
    assert plan.to_json()["forecast"] is None


def test_the_forecast_counts_up_pixels_and_bytes(run, upscaler, tmp_path, photograph):
    def slow(images):
        time.sleep(2e-6 * sum(image.shape[0] * image.shape[1] for image in images))

    upscaler.broken = slow
    upscaler.batch_size = 1
    for number in range(12):
        photograph(tmp_path / "in" / f"{number:02}.png", width=100 + 10 * number, height=100, seed=number)
    settings = Settings(inputs=(tmp_path / "in",), workers=2)
    found = dry_run(settings, _MODEL, upscaler_factory=lambda _settings: upscaler).forecast
    assert len(upscaler.batches) == 4, "three photographs, the first one twice"
    run(tmp_path / "in")
    written = sum(path.stat().st_size for path in (tmp_path / "in-x2").glob("*.png"))
    assert found.probes == 3 and found.fits and found.free_bytes > 0
    pixels = sum(100 * (100 + 10 * number) for number in range(12))
    assert found.elapsed_s > 0.9 * 2e-6 * pixels, "nothing sleeps for less time than it was told to"
    assert found.disk_bytes == pytest.approx(written, rel=0.1)


def test_large_photographs_are_tried_in_part(upscaler, tmp_path, photograph, monkeypatch):
    monkeypatch.setattr(module, "_PROBE_PX", 100)
    photograph(tmp_path / "in" / "a.png", width=40, height=30)
    plan = dry_run(Settings(inputs=(tmp_path / "in",)), _MODEL, upscaler_factory=lambda _settings: upscaler)
    assert {shape for batch in upscaler.batches for shape in batch} == {(8, 11, 3)}
    assert plan.forecast.disk_bytes > 40 * 30


def test_what_a_probe_finds_broken_is_told(upscaler, tmp_path, photograph):
    whole = photograph(tmp_path / "in" / "a.jpg", width=64, height=64).read_bytes()
    (tmp_path / "in" / "a.jpg").write_bytes(whole[: len(whole) // 2])
    plan = dry_run(Settings(inputs=(tmp_path / "in",)), _MODEL, upscaler_factory=lambda _settings: upscaler)
    assert [(step.action, step.reason) for step in plan.steps] == [("fail", "truncated")]
    assert plan.forecast is None and plan.exit_code == 1


def test_too_little_room_is_said(upscaler, album, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _path: SimpleNamespace(free=10))
    plan = dry_run(Settings(inputs=(album,)), _MODEL, upscaler_factory=lambda _settings: upscaler)
    assert not plan.forecast.fits
    assert "TOO LITTLE" in list(plan.lines())[-1]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.26, "0.3 s"), (42, "42 s"), (200, "3 min"), (19_000, "5 h 17 min")]
)
def test_durations_are_said_in_round_numbers(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(("size", "said"), [(12_300, "12 kB"), (3_400_000, "3.4 MB"), (12e9, "12.0 GB")])
def test_amounts_are_said_in_round_numbers(size, said):
    assert amount(int(size)) == said
