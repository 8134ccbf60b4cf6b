"""Outputs that someone has worked on stay, and outputs that are damaged are done again."""

from __future__ import annotations

import pytest
from PIL import Image


def _named(report, source):
    (result,) = (result for result in report.files if result.source == source)
    return result.status, result.reason


@pytest.fixture
def out(run, album):
    """An output directory after a complete run."""
    assert run(album).count("done") == 5
    return album.with_name("album-x2")


def test_a_retouched_output_is_not_replaced(run, album, out, photograph):
    photograph(out / "a.png", seed=50, width=30)
    retouched = (out / "a.png").read_bytes()
    report = run(album)
    assert _named(report, album / "a.png") == ("skipped", "retouched") and report.exit_code == 0
    report = run(album, quality=50)
    assert _named(report, album / "a.png") == ("failed", "exists-unknown") and report.count("done") == 4
    assert "changed since" in next(iter(report.failures()))
    assert (out / "a.png").read_bytes() == retouched
    assert run(album, verify=True).count("done") == 5, "asked for what was written"


def test_an_edit_that_keeps_the_size_is_seen_before_it_is_replaced(run, album, out):
    changed = (out / "z.tiff").read_bytes().replace(b"facesr-cli", b"facesr-CLI")
    (out / "z.tiff").write_bytes(changed)
    assert run(album).count("skipped") == 5
    report = run(album, metadata="strip")
    assert _named(report, album / "z.tiff") == ("failed", "exists-unknown") and report.count("done") == 4
    assert (out / "z.tiff").read_bytes() == changed


def test_work_that_cannot_be_read_here_is_not_replaced_either(run, album, out):
    with Image.open(out / "z.tiff") as image:
        image.convert("F").save(out / "z.tiff")
    assert _named(run(album), album / "z.tiff") == ("skipped", "retouched")


@pytest.mark.parametrize("name", ["a.png", "b.JPG", "sub/deep er/ü.webp"])
def test_outputs_that_lack_a_few_bytes_are_done_again(run, album, out, tree, name):
    whole = tree(out)
    (out / name).write_bytes(whole[name][:-3])
    assert run(album).count("done") == 1
    assert tree(out) == whole


def test_a_small_jpeg_with_something_behind_its_end_is_no_damaged_one(run, album, out, photograph):
    photograph(out / "b.JPG", width=4, height=4, format="JPEG")
    with (out / "b.JPG").open("ab") as file:
        file.write(b"what an application leaves there")
    assert _named(run(album), album / "b.JPG") == ("skipped", "retouched")
