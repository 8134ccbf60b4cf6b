from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import bicubic, real_parameters
from facesr_cli.bench.ground_truth import read_pixels
from facesr_cli.bench.measures import measure
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.bench.niqe import niqe
from facesr_cli.bench.report import json_text
from facesr_cli.bench.run import run_bench
from facesr_cli.bench.settings import DEFAULT_DEGRADATIONS, BenchSettings
from facesr_cli.errors import UsageError


def bench(folder: Path, *upscalers, throughput=False, progress=lambda *_: None, **settings):
    """Run with stand-ins that are requested as `m0`, `m1` and so on."""
    by_request = {f"m{index}": upscaler for index, upscaler in enumerate(upscalers)}
    return run_bench(
        BenchSettings(
            high_dir=folder, models=tuple(by_request), throughput=throughput, score_threads=2, **settings
        ),
        open_upscaler=by_request.__getitem__,
        progress=progress,
    )


def test_rows_cover_every_model_and_degradation(portraits, upscaler):
    result = bench(portraits, upscaler)
    assert [(row.degradation, row.model) for row in result.rows] == [
        (degradation, model)
        for degradation in DEFAULT_DEGRADATIONS
        for model in ("bilinear", "bicubic", "lanczos", "nearest")
    ]
    assert {row.images for row in result.rows} == {3}
    assert {row.images_per_s for row in result.rows} == {None}
    assert len(result.images) == 3 * 3 * 4
    assert {image.file for image in result.images} == {"a.png", "b.png", "more/c.png"}
    assert result.exit_code == 0
    assert upscaler.closed


def test_figures_are_those_of_the_metrics(portraits):
    result = bench(portraits, degradations=("bicubic",))
    truth = read_pixels(portraits / "a.png")
    low = bicubic(truth)
    expected_db = psnr_db(enlarge(low, "bilinear", scale=2), truth)
    reference_db = psnr_db(enlarge(low, "bicubic", scale=2), truth)
    score = next(image for image in result.images if image.file == "a.png" and image.model == "bilinear")
    assert score.psnr_db == expected_db
    assert score.psnr_gain_db == pytest.approx(expected_db - reference_db)
    row = next(row for row in result.rows if row.model == "bilinear")
    values = [image.psnr_db for image in result.images if image.model == "bilinear"]
    assert row.psnr_db == pytest.approx(np.mean(values))
    assert row.psnr_min_db == min(values)
    bicubic_row = next(row for row in result.rows if row.model == "bicubic")
    assert (bicubic_row.psnr_gain_db, bicubic_row.better_than_bicubic) == (0, 0)


def test_measures_beside_psnr(portraits):
    truth = read_pixels(portraits / "a.png")
    result = bench(portraits, degradations=("bicubic", "real"))
    low = bicubic(truth)
    expected = measure(enlarge(low, "bilinear", scale=2), truth, low, degradation="bicubic")
    image = result.images[0]
    assert (image.file, image.model, image.degradation) == ("a.png", "bilinear", "bicubic")
    assert image.high_frequency_energy == expected.high_frequency_energy
    assert image.block_colour_difference == expected.block_colour_difference
    assert image.low_resolution_consistency_db == expected.low_resolution_consistency_db
    row = result.rows[0]
    images = [image for image in result.images if (image.model, image.degradation) == ("bilinear", "bicubic")]
    for key in ("high_frequency_energy", "block_colour_difference", "low_resolution_consistency_db"):
        assert getattr(row, key) == pytest.approx(np.mean([getattr(image, key) for image in images]))
    by_degradation = {row.degradation: row.low_resolution_consistency_db for row in result.rows}
    assert by_degradation["bicubic"] > 30
    assert by_degradation["real"] is None
    assert "none for real" in result.protocol["LR dB"]


def test_niqe_is_the_mean_over_photographs_that_are_large_enough(portraits):
    Image.fromarray(astronaut()[:200, 100:300].copy()).save(portraits / "large.png")
    result = bench(portraits, degradations=("bicubic",))
    large = [image for image in result.images if image.file == "large.png"]
    assert [row.niqe for row in result.rows] == [image.niqe for image in large]
    assert {row.niqe_original for row in result.rows} == {niqe(read_pixels(portraits / "large.png"))}
    assert all(image.niqe is None for image in result.images if image.file != "large.png")


def test_json_document(portraits, upscaler):
    document = json.loads(json_text(bench(portraits, upscaler, throughput=True, limit=2)))
    assert document["command"] == "bench"
    assert {"protocol", "rows", "images", "failures", "environment", "models", "date"} <= document.keys()
    assert set(document["rows"][0]) >= {
        "model",
        "degradation",
        "images",
        "psnr_db",
        "psnr_gain_db",
        "ssim",
        "psnr_y_db",
        "images_per_s",
        "high_frequency_energy",
        "niqe",
        "niqe_original",
        "block_colour_difference",
        "low_resolution_consistency_db",
    }
    assert set(document["images"][0]) >= {"file", "model", "degradation", "psnr_db", "ssim", "niqe"}
    assert document["counts"] == {"done": 2, "failed": 0}
    assert all(row["images_per_s"] > 0 for row in document["rows"])
    assert set(document["throughput"]["nearest"]) >= {"decode", "infer", "encode", "bottleneck"}
    assert document["models"][0]["provider_actual"] == "CPUExecutionProvider"
    assert document["environment"]["pillow"]
    assert document["real_parameters"]["a.png"]["jpeg_quality"] == real_parameters("a.png").jpeg_quality
    protocol = document["protocol"]
    assert {"photographs", "original", "PSNR", "SSIM", "PSNR-Y", "baselines", *DEFAULT_DEGRADATIONS} <= set(
        protocol
    )
    assert "2 from" in protocol["photographs"]
    assert "first 2 by name" in protocol["photographs"]


def test_equal_pictures_are_null_in_json(tmp_path, upscaler):
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(tmp_path / "flat.png")
    result = bench(tmp_path, upscaler, degradations=("paper",))
    assert result.rows[0].psnr_db == math.inf
    assert result.rows[-1].psnr_gain_db == 0
    row = json.loads(json_text(result))["rows"][0]
    assert row["psnr_db"] is None
    assert row["low_resolution_consistency_db"] is None
    # Nothing can be relative to a flat original.
    assert row["high_frequency_energy"] is None
    assert row["block_colour_difference"] == 0


def test_unreadable_original_is_named_and_the_others_go_on(portraits, upscaler):
    (portraits / "aa.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    result = bench(portraits, upscaler, degradations=("bicubic",))
    (failure,) = result.failures
    assert failure.file == "aa.jpg"
    assert failure.reason
    assert "aa.jpg" in failure.message
    assert {row.images for row in result.rows} == {3}
    assert result.to_json()["counts"] == {"done": 3, "failed": 1}
    assert result.exit_code == 1


def test_photograph_that_a_model_fails_on_is_in_no_row(portraits, upscaler_class):
    lows = {name: bicubic(read_pixels(portraits / name)) for name in ("a.png", "b.png", "more/c.png")}
    picky = upscaler_class(name="picky", fails_on_mean=float(lows["b.png"].mean()))
    result = bench(portraits, upscaler_class(), picky, degradations=("bicubic",))
    assert [failure.file for failure in result.failures] == ["b.png"]
    assert result.failures[0].reason == "inference-failed"
    assert {row.images for row in result.rows} == {2}
    assert "b.png" not in {image.file for image in result.images}


def test_nothing_measured(tmp_path, upscaler):
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    result = bench(tmp_path, upscaler, throughput=True, pictures=True)
    assert (result.rows, result.images, result.throughput, result.pictures) == ((), (), {}, ())
    assert result.exit_code == 1


def test_given_pairs(tmp_path, portraits, upscaler_class):
    low_dir = tmp_path / "low"
    (low_dir / "more").mkdir(parents=True)
    for name in ("a", "b", "more/c"):
        pixels = read_pixels(portraits / f"{name}.png")[::4, ::4]
        Image.fromarray(pixels).save(low_dir / f"{name}.tif")
    result = bench(portraits, upscaler_class(scale=4), low_dir=low_dir)
    assert {row.degradation for row in result.rows} == {"given"}
    assert {row.images for row in result.rows} == {3}
    assert result.real_parameters == {}
    assert {row.low_resolution_consistency_db for row in result.rows} == {None}
    assert "scale 4" in result.protocol["photographs"]
    # A model of another factor finds no fitting pair.
    failed = bench(portraits, upscaler_class(scale=2), low_dir=low_dir)
    assert [failure.reason for failure in failed.failures] == ["size-mismatch"] * 3


def test_scales_that_do_not_fit(portraits, upscaler_class):
    with pytest.raises(UsageError, match="--lr and --hr"):
        bench(portraits, upscaler_class(scale=4))
    with pytest.raises(UsageError, match="different scale"):
        bench(portraits, upscaler_class(scale=4), upscaler_class(scale=2))


def test_models_of_one_name_are_told_apart(portraits, upscaler_class):
    result = bench(
        portraits,
        upscaler_class(name="same"),
        upscaler_class(name="same"),
        upscaler_class(name="bicubic"),
        upscaler_class(name="own"),
        degradations=("bicubic",),
        limit=1,
    )
    assert [row.model for row in result.rows] == ["bilinear", "bicubic", "lanczos", "m0", "m1", "m2", "own"]


def test_failing_throughput_is_listed_and_the_rows_stay(portraits, upscaler_class, monkeypatch):
    from facesr_cli.errors import UpscaleFailedError

    def fail(images):
        raise UpscaleFailedError("out-of-memory", "no memory for a batch")

    upscaler = upscaler_class()
    upscaler.upscale_batch = fail
    result = bench(portraits, upscaler, throughput=True, degradations=("bicubic",), limit=1)
    assert [(failure.file, failure.reason) for failure in result.failures] == [
        ("throughput of nearest", "out-of-memory")
    ]
    speeds = {row.model: row.images_per_s for row in result.rows}
    assert speeds["nearest"] is None
    assert speeds["bicubic"] > 0
    assert result.exit_code == 1


def test_pictures_of_best_median_and_worst(portraits, upscaler):
    result = bench(portraits, upscaler, degradations=("bicubic", "real"), pictures=True)
    assert {picture.name for picture in result.pictures} == {
        f"nearest--{degradation}--{rank}.png"
        for degradation in ("bicubic", "real")
        for rank in ("best", "median", "worst")
    }
    ranked = sorted(
        (image for image in result.images if image.model == "nearest" and image.degradation == "real"),
        key=lambda image: image.psnr_gain_db,
    )
    worst = next(picture for picture in result.pictures if picture.name == "nearest--real--worst.png")
    assert worst.caption.startswith(f"{ranked[0].file}: worst of 3")


def test_progress_counts_to_its_total(portraits, upscaler):
    seen = []
    bench(
        portraits,
        upscaler,
        degradations=("bicubic",),
        throughput=True,
        pictures=True,
        progress=lambda *step: seen.append(step),
    )
    assert [done for done, _, _ in seen] == list(range(len(seen)))
    assert seen[-1] == (8, 8, "done")
    assert seen[0] == (0, 8, "a.png")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"degradations": ("papier",)}, "papier"),
        ({"degradations": ()}, "at least one"),
        ({"limit": 0}, "--limit"),
    ],
)
def test_settings_that_cannot_be_meant(tmp_path, settings, message):
    with pytest.raises(UsageError, match=message):
        BenchSettings(high_dir=tmp_path, **settings)
