from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json

import numpy as np
import pytest
from PIL import Image

from facesr_cli.bench.crops import detailed_window, side_by_side
from facesr_cli.bench.progress import Steps, shown_progress
from facesr_cli.bench.report import BESIDE_HEADINGS, images_csv, markdown, prepare_folder, write_report
from facesr_cli.bench.run import run_bench
from facesr_cli.bench.settings import BenchSettings
from facesr_cli.errors import UsageError, WriteFailedError


@pytest.fixture
def result(portraits, upscaler):
    return run_bench(
        BenchSettings(
            high_dir=portraits,
            models=("nearest",),
            degradations=("bicubic",),
            throughput=False,
            pictures=True,
            score_threads=1,
        ),
        open_upscaler=lambda _: upscaler,
        progress=lambda *_: None,
    )


def test_report_folder(tmp_path, result):
    folder = tmp_path / "deep" / "report"
    prepare_folder(folder)
    write_report(result, folder)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "bench.json",
        "bench.md",
        "images.csv",
        "crops/nearest--bicubic--best.png",
        "crops/nearest--bicubic--median.png",
        "crops/nearest--bicubic--worst.png",
    }
    assert json.loads((folder / "bench.json").read_text(encoding="utf-8"))["counts"]["done"] == 3
    with Image.open(folder / "crops/nearest--bicubic--best.png") as crop:
        assert crop.format == "PNG"
    write_report(dataclasses.replace(result, pictures=()), folder)
    assert (folder / "bench.md").is_file()


def test_markdown_has_table_protocol_and_pictures(result):
    text = markdown(result)
    assert "| bicubic | nearest |" in text
    assert "- **PSNR-Y**: BT.601" in text
    assert "](crops/nearest--bicubic--worst.png)" in text
    tables = [
        list(rows)
        for is_row, rows in itertools.groupby(text.splitlines(), lambda line: line[:1] == "|")
        if is_row
    ]
    assert [len(rows) for rows in tables] == [2 + len(result.rows)] * 2
    for rows in tables:
        assert len({line.count("|") for line in rows}) == 1


def test_second_table_has_the_measures_beside_psnr(result):
    row = dataclasses.replace(
        result.rows[0],
        high_frequency_energy=0.256,
        niqe=None,
        niqe_original=2.5,
        block_colour_difference=0.1234,
        low_resolution_consistency_db=41.5,
    )
    text = markdown(dataclasses.replace(result, rows=(row,)))
    assert "## Beside PSNR" in text
    assert "| bicubic | bilinear | 0.26 | - | 2.50 | 0.123 | 41.50 |" in text
    for topic in ("HF energy", "NIQE", "CIEDE2000", "LR dB"):
        assert f"- **{topic}**: " in text
        assert topic in BESIDE_HEADINGS


def test_names_cannot_break_the_markdown(result):
    row = dataclasses.replace(result.rows[0], model="a|b*c\nd")
    text = markdown(dataclasses.replace(result, rows=(row,)))
    assert "a\\|b\\*c d" in text


def test_csv_has_one_line_per_image_and_row(result):
    lines = list(csv.DictReader(io.StringIO(images_csv(result))))
    assert len(lines) == len(result.images) == 12
    assert float(lines[0]["psnr_db"]) == result.images[0].psnr_db
    assert float(lines[0]["block_colour_difference"]) == result.images[0].block_colour_difference
    # The photographs are too small for it.
    assert lines[0]["niqe"] == ""
    # Columns of earlier versions keep their places.
    assert list(lines[0])[:7] == [
        *("file", "model", "degradation", "psnr_db", "psnr_gain_db", "ssim", "psnr_y_db")
    ]


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="report folder"):
        prepare_folder(tmp_path / "file")


def test_failed_write_leaves_the_old_report(tmp_path, result, monkeypatch):
    from facesr_cli.bench import report

    write_report(result, tmp_path)
    before = (tmp_path / "bench.json").read_bytes()

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report.os, "replace", full)
    with pytest.raises(WriteFailedError, match="No space left"):
        write_report(dataclasses.replace(result, elapsed_s=-1.0), tmp_path)
    assert (tmp_path / "bench.json").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_crop_is_taken_where_the_detail_is():
    image = np.full((400, 600, 3), 128, np.uint8)
    image[200:220:2, 300:320] = 255
    rows, columns = detailed_window(image, 64)
    assert rows.stop - rows.start == columns.stop - columns.start == 64
    assert rows.start <= 200 and rows.stop >= 220
    assert columns.start <= 300 and columns.stop >= 320


@pytest.mark.parametrize(("height", "width"), [(16, 16), (256, 256), (255, 300), (257, 259), (64, 700)])
def test_crop_stays_inside(height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    rows, columns = detailed_window(image, 256)
    assert image[rows, columns].shape == (min(height, 256), min(width, 256), 3)


def test_side_by_side_shows_the_four(face):
    low = face[::2, ::2]
    png = side_by_side(low=low, bicubic=face, ours=face, original=face, model="m", title="名前.jpg")
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (96 + 44, 4 * 256 + 3 * 4, 3)
    np.testing.assert_array_equal(pixels[44:, 780:876], face)
    np.testing.assert_array_equal(pixels[44:, :96], low.repeat(2, axis=0).repeat(2, axis=1))


def test_progress_without_a_terminal_is_a_few_lines():
    stream = io.StringIO()
    with shown_progress(stream) as progress:
        steps = Steps(progress, 3)
        for name in ("a", "b", "c"):
            steps.begin(name)
        steps.finish()
    assert stream.getvalue() == "0/3 a\n"


def test_progress_on_a_terminal_is_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with shown_progress(stream) as progress:
        steps = Steps(progress, 2)
        steps.begin("a[red].png")
        steps.finish()
    assert "2/2" in stream.getvalue()
