"""Where outputs go, and which plans are refused before any work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from facesr_cli.batch import Settings
from facesr_cli.batch.discover import Filter, Source, discover
from facesr_cli.batch.plan import make_jobs, places
from facesr_cli.errors import OutputCollisionError, UsageError


def _plan(*inputs: Path, scale: int = 2, **flags):
    settings = Settings(inputs=inputs, **flags)
    where = places(settings, scale)
    sources = [item for item in discover(inputs, Filter()) if isinstance(item, Source)]
    return {str(job.source): job for job in make_jobs(sources, where, settings)}


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_default_names_carry_the_scale(tmp_path):
    photo = _touch(tmp_path / "d" / "sub" / "a.jpeg")
    (job,) = _plan(tmp_path / "d", scale=4).values()
    assert job.destination == tmp_path / "d-x4" / "sub" / "a.jpeg"
    assert (job.out_root, job.relative) == (tmp_path / "d-x4", "sub/a.jpeg")
    (job,) = _plan(photo).values()
    assert job.destination == tmp_path / "d" / "sub" / "a-x2.jpeg"


def test_the_directory_one_is_in_has_a_name_too(tmp_path, monkeypatch):
    _touch(tmp_path / "d" / "a.png")
    monkeypatch.chdir(tmp_path / "d")
    (job,) = _plan(Path(".")).values()
    assert job.destination == tmp_path / "d-x2" / "a.png"


def test_one_directory_goes_straight_into_out_and_several_under_their_names(tmp_path):
    _touch(tmp_path / "one" / "a.png")
    _touch(tmp_path / "two" / "a.png")
    file = _touch(tmp_path / "b.png")
    out = tmp_path / "out"
    jobs = _plan(tmp_path / "one", file, out=out)
    assert {job.destination for job in jobs.values()} == {out / "a.png", out / "b.png"}
    jobs = _plan(tmp_path / "one", tmp_path / "two", file, out=out)
    assert {job.destination for job in jobs.values()} == {
        out / "one" / "a.png",
        out / "two" / "a.png",
        out / "b.png",
    }
    assert {job.out_root for job in jobs.values()} == {out}


def test_formats_and_extensions(tmp_path):
    for name in ("a.JPG", "b.bmp", "c.gif"):
        _touch(tmp_path / "d" / name)
    names = {job.destination.name: job.file_format.value for job in _plan(tmp_path / "d").values()}
    assert names == {"a.JPG": "jpeg", "b.png": "png", "c.png": "png"}
    names = {job.destination.name for job in _plan(tmp_path / "d", file_format="webp").values()}
    assert names == {"a.webp", "b.webp", "c.webp"}


@pytest.mark.parametrize(
    ("names", "flags"),
    [
        (("a.bmp", "a.png"), {}),
        (("a.jpg", "a.png"), {"file_format": "png"}),
        (("A.png", "a.png"), {}),
        (("e\u0301.png", "\u00e9.png"), {}),
        (("x.bmp", "x.png/a.png"), {}),
    ],
)
def test_collisions_are_listed_and_refused(tmp_path, names, flags):
    for name in names:
        _touch(tmp_path / "d" / name)
    with pytest.raises(OutputCollisionError) as caught:
        _plan(tmp_path / "d", out=tmp_path / "out", **flags)
    for name in names:
        assert name in str(caught.value)


def test_an_output_over_an_input_is_refused(tmp_path):
    _touch(tmp_path / "a.jpg")
    _touch(tmp_path / "a-x2.jpg")
    with pytest.raises(OutputCollisionError, match="is the input"):
        _plan(tmp_path / "a.jpg", tmp_path / "a-x2.jpg")
    _touch(tmp_path / "d" / "sub" / "a.png")
    with pytest.raises(OutputCollisionError, match="is the input"):
        _plan(tmp_path / "d" / "sub" / "a.png", out=tmp_path / "d" / "sub" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "d")
    with pytest.raises(OutputCollisionError, match="is the input"):
        _plan(tmp_path / "d" / "sub" / "a.png", out=tmp_path / "link" / "sub")


def test_the_target_of_a_linked_input_is_an_input(tmp_path):
    _touch(tmp_path / "real" / "a.png")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.png").symlink_to(tmp_path / "real" / "a.png")
    with pytest.raises(OutputCollisionError, match="is the input"):
        _plan(tmp_path / "links", out=tmp_path / "real")


def test_an_input_directory_is_not_an_output_directory(tmp_path):
    _touch(tmp_path / "d" / "a.jpg")
    with pytest.raises(UsageError, match="input directory"):
        _plan(tmp_path / "d", out=tmp_path / "d", file_format="png")


def test_out_that_makes_no_sense(tmp_path):
    _touch(tmp_path / "d" / "a.png")
    _touch(tmp_path / "d" / "b.png")
    taken = _touch(tmp_path / "taken.png")
    for inputs, out, flags, words in (
        ((tmp_path / "d",), taken, {}, "is a file"),
        ((tmp_path / "d" / "a.png",), tmp_path / "o.bmp", {}, ".bmp is not written"),
        ((tmp_path / "d" / "a.png",), tmp_path / "o.png", {"file_format": "jpeg"}, "contradict"),
        ((tmp_path / "d" / "a.png", tmp_path / "d" / "b.png"), taken, {}, "is a file"),
    ):
        with pytest.raises(UsageError, match=words):
            _plan(*inputs, out=out, **flags)


def test_settings_refuse_contradictions(tmp_path):
    for flags in (
        {"inputs": ()},
        {"inputs": (tmp_path,), "quality": 0},
        {"inputs": (tmp_path,), "quality": 90, "file_format": "png"},
        {"inputs": (tmp_path,), "realism": 1.5},
        {"inputs": (tmp_path,), "report": tmp_path / "missing" / "r.json"},
        {"inputs": (tmp_path,), "report": tmp_path},
        {"inputs": (tmp_path,), "max_megapixels": 0},
        {"inputs": (tmp_path,), "max_megapixels": float("inf")},
        {"inputs": (tmp_path,), "max_megapixels": float("nan")},
    ):
        with pytest.raises(UsageError):
            Settings(**flags)


@pytest.mark.parametrize("name", ["d/a.png", "d-x2/a.png", "d-x2", "D-X2/A.png"])
def test_a_report_never_replaces_a_photograph(tmp_path, name):
    _touch(tmp_path / "d" / "a.png")
    (tmp_path / "D-X2").mkdir()
    if name == "d-x2/a.png":
        (tmp_path / "d-x2").mkdir(exist_ok=True)
    with pytest.raises(OutputCollisionError, match="--report"):
        _plan(tmp_path / "d", report=tmp_path / name)


@pytest.mark.parametrize("name", ["model.onnx", "excluded.png", "notes.json", ".facesr-journal.jsonl"])
def test_a_report_replaces_nothing_that_is_no_report(tmp_path, name):
    path = tmp_path / name
    path.write_text('{"version":1,"state":"done"}\n')
    with pytest.raises(UsageError, match="--report"):
        Settings(inputs=(tmp_path,), report=path)


def test_a_report_replaces_reports_and_empty_files(run, tmp_path, photograph):
    photograph(tmp_path / "d" / "a.png")
    path = _touch(tmp_path / "r.json")
    run(tmp_path / "d", report=path)
    first = json.loads(path.read_text())
    run(tmp_path / "d", report=path)
    assert [first["counts"]["done"], json.loads(path.read_text())["counts"]["skipped"]] == [1, 1]


@pytest.mark.skipif(os.name != "posix", reason="pipes and links of POSIX")
def test_a_report_at_a_pipe_is_refused_and_at_a_link_goes_where_it_leads(run, tmp_path, photograph):
    photograph(tmp_path / "d" / "a.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "stdout").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "stdout", Path(os.devnull)):
        with pytest.raises(UsageError, match="no regular file"):
            Settings(inputs=(tmp_path,), report=path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "latest.json").symlink_to(tmp_path / "reports" / "r.json")
    run(tmp_path / "d", report=tmp_path / "latest.json")
    assert (tmp_path / "latest.json").is_symlink() and (tmp_path / "reports" / "r.json").is_file()
