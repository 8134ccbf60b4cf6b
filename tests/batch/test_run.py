"""Whole runs: trees, bad files, deterministic reports, fail-fast, batches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_cli.batch import Settings, run_batch
from facesr_cli.errors import CapabilityError, ProviderError, UpscaleFailedError, UsageError


def test_the_tree_is_kept_and_pixels_are_doubled(run, album, tree):
    before = tree(album)
    report = run(album)
    out = album.with_name("album-x2")
    assert set(tree(out)) == {"a.png", "b.JPG", "sub/a.png", "sub/deep er/ü.webp", "z.tiff"}
    assert report.exit_code == 0 and report.count("done") == 5
    assert tree(album) == before, "sources are never changed"
    with Image.open(album / "a.png") as source, Image.open(out / "a.png") as result:
        assert np.array_equal(np.asarray(result), np.asarray(source).repeat(2, 0).repeat(2, 1))


def test_files_beside_their_inputs_and_named_files(run, album, tmp_path):
    assert run(album / "a.png").exit_code == 0
    assert (album / "a-x2.png").is_file()
    assert run(album / "a.png", out=tmp_path / "new" / "face.webp").exit_code == 0
    with Image.open(tmp_path / "new" / "face.webp") as image:
        assert image.format == "WEBP"


def test_the_report_says_where_the_outputs_are(run, album, tmp_path):
    file, folder = tmp_path / "face.webp", tmp_path / "all"
    assert run(album / "a.png", out=file).destination() == f"written to {file}"
    assert run(album, out=folder).destination() == f"written to {folder}"
    assert run(album, out=folder).destination() is None, "nothing was written the second time"


def test_bad_files_are_reported_and_the_good_ones_written(run, album, photograph):
    whole = photograph(album / "whole.jpg", width=64, height=64).read_bytes()
    (album / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (album / "empty.jpg").touch()
    (album / "text.jpg").write_text("this is text")
    (album / "x.jpg").mkdir()
    (album / "nowhere.jpg").symlink_to(album / "missing")

    report = run(album)

    assert report.exit_code == 1
    assert report.count("done") == 6
    reasons = {result.source.name: result.reason for result in report.files if result.status == "failed"}
    assert reasons == {
        "truncated.jpg": "truncated",
        "empty.jpg": "empty-file",
        "text.jpg": "not-an-image",
        "nowhere.jpg": "not-found",
    }
    assert ("x.jpg", "is-a-directory") in {(item.path.name, item.reason) for item in report.ignored}
    for line in report.failures():
        assert any(name in line for name in reasons)


def test_report_has_the_agreed_keys_and_the_order_of_the_files(run, album, tmp_path):
    report = run(album, out=tmp_path / "out", report=tmp_path / "report.json", workers=4)
    document = json.loads((tmp_path / "report.json").read_text())
    assert document == report.to_json()
    assert list(document) == [
        "version", "command", "model", "provider", "precision", "elapsed_s", "images_per_s", "stages",
        "counts", "error", "files",
    ]  # fmt: skip
    assert document["model"] == {"name": "nearest", "version": "1.0", "digest": "sha256:stand-in", "scale": 2}
    assert document["provider"] == {"requested": "auto", "actual": "StandInProvider"}
    stages = document["stages"]
    assert list(stages) == ["decode_s", "infer_s", "encode_s", "elapsed_s", "threads", "busiest", "busy"]
    assert stages["busiest"] == max(stages["busy"], key=stages["busy"].get)
    assert document["counts"] == {"done": 5, "skipped": 0, "failed": 0}
    first = document["files"][0]
    assert list(first) == ["source", "output", "status", "reason", "input_size", "output_size", "elapsed_s"]
    assert first["input_size"] == [12, 8] and first["output_size"] == [24, 16]
    names = [Path(entry["source"]).relative_to(album).as_posix() for entry in document["files"]]
    assert names == ["a.png", "b.JPG", "z.tiff", "sub/a.png", "sub/deep er/ü.webp"]


def test_one_photograph_that_breaks_its_batch_does_not_fail_its_neighbours(
    run, upscaler, tmp_path, photograph
):
    for number in range(6):
        photograph(tmp_path / "in" / f"{number}.png", seed=number)
    bad = np.asarray(Image.open(tmp_path / "in" / "3.png"))
    upscaler.batch_size = 4

    def broken(images):
        if any(np.array_equal(image, bad) for image in images):
            return UpscaleFailedError("implausible-output", "the picture came out black.")
        return None

    upscaler.broken = broken
    report = run(tmp_path / "in")

    assert [result.status for result in report.files] == ["done"] * 3 + ["failed"] + ["done"] * 2
    assert report.files[3].reason == "implausible-output"
    assert "3.png" in report.files[3].message
    assert any(len(batch) > 1 for batch in upscaler.batches), "equal shapes run together"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("cuda"), "inference-failed"),
        (MemoryError(), "out-of-memory"),
        (ValueError(), "inference-failed"),
    ],
)
def test_whatever_inference_raises_is_a_typed_failure(run, upscaler, album, error, reason):
    upscaler.broken = lambda _images: error
    report = run(album)
    assert {result.reason for result in report.files} == {reason}
    assert report.exit_code == 1


def test_a_result_of_the_wrong_size_is_never_written(run, upscaler, album, tree):
    upscaler.upscale_batch = lambda images: [image[:1] for image in images]
    report = run(album)
    assert {result.reason for result in report.files} == {"wrong-output-size"}
    assert not album.with_name("album-x2").exists() or not tree(album.with_name("album-x2"))


def test_a_provider_that_dies_ends_the_run_with_a_report(run, upscaler, tmp_path, photograph):
    for number in range(20):
        photograph(tmp_path / "in" / f"{number:02}.png", seed=number)
    upscaler.batch_size = 1
    upscaler.broken = lambda _images: (
        ProviderError("the device was lost") if len(upscaler.batches) > 5 else None
    )
    report = run(tmp_path / "in", report=tmp_path / "report.json")

    assert upscaler.closed and report.exit_code == 3
    assert isinstance(report.error, CapabilityError)
    assert (report.count("done"), report.count("not-started"), report.count("failed")) == (5, 15, 0)
    assert {result.reason for result in report.files if result.status == "not-started"} == {"provider-lost"}
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["error"] == "the device was lost" and document["counts"]["done"] == 5
    upscaler.broken = lambda _images: None
    assert run(tmp_path / "in").count("skipped") == 5, "what was done is known to the next run"


def test_fail_fast_leaves_the_rest_for_the_next_run(run, upscaler, tmp_path, photograph):
    for number in range(30):
        photograph(tmp_path / "in" / f"{number:02}.png", seed=number)
    (tmp_path / "in" / "00.png").write_bytes(b"")
    report = run(tmp_path / "in", fail_fast=True, workers=1)
    assert report.exit_code == 1
    assert report.count("failed") == 1
    assert report.count("not-started") >= 20
    assert "not started" in report.summary()
    assert report.count("done") == len(list((tmp_path / "in-x2").glob("*.png")))


def test_a_network_that_does_not_open_leaves_no_trace(album, tmp_path):
    def fail(_settings):
        raise ProviderError("no such device")

    with pytest.raises(ProviderError):
        run_batch(Settings(inputs=(album,), report=tmp_path / "r.json"), upscaler_factory=fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album"]


def test_alpha_grey_and_depth_survive_the_run(run, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    alpha = np.zeros((8, 8, 4), dtype=np.uint8)
    alpha[:, 4:] = 255
    Image.fromarray(alpha).save(source / "rgba.png")
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000).save(source / "deep.png")
    report = run(source)
    with Image.open(tmp_path / "in-x2" / "rgba.png") as image:
        assert image.mode == "RGBA"
        opacity = np.asarray(image.getchannel("A"))
        assert opacity[:, :5].max() < 40 and opacity[:, 11:].min() > 215
    with Image.open(tmp_path / "in-x2" / "deep.png") as image:
        assert image.mode == "I;16"
        assert len(np.unique(np.asarray(image))) == 64
    assert report.exit_code == 0


def test_a_name_that_promises_another_kind_is_said(run, tmp_path, photograph):
    photograph(tmp_path / "in" / "a.png").rename(tmp_path / "in" / "a.jpg")
    report = run(tmp_path / "in")
    assert report.files[0].notes == ("is named .jpg but holds PNG; written as jpeg",)
    assert list(report.notes()) == [f"note: {report.files[0].notes[0]} ({tmp_path / 'in' / 'a.jpg'})"]
    with Image.open(tmp_path / "in-x2" / "a.jpg") as image:
        assert image.format == "JPEG"


def test_empty_directories_and_missing_inputs(run, tmp_path):
    (tmp_path / "in").mkdir()
    report = run(tmp_path / "in")
    assert report.files == () and report.exit_code == 0
    assert not (tmp_path / "in-x2").exists()
    with pytest.raises(UsageError, match="no such file"):
        run(tmp_path / "missing")


def test_memory_limit_of_one_pixel_still_does_everything(upscaler, album, monkeypatch):
    from facesr_cli.batch import run as room

    real = room.Limits
    monkeypatch.setattr(room, "Limits", lambda **limits: real(**limits, held_px=1))
    report = run_batch(Settings(inputs=(album,), workers=3), upscaler_factory=lambda _settings: upscaler)
    assert report.count("done") == 5
    assert max(len(batch) for batch in upscaler.batches) == 1


def test_an_approximation_by_tiles_is_said_of_every_photograph(run, upscaler, tmp_path, photograph):
    photograph(tmp_path / "in" / "a.png")
    upscaler.approximated = (0,)
    report = run(tmp_path / "in")
    assert report.exit_code == 0
    assert any("done in tiles" in note for note in report.files[0].notes)
