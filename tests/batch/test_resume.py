"""--existing: what a second run does, and what it never touches."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from facesr_cli.batch import Settings
from facesr_cli.batch.journal import JOURNAL_NAME
from facesr_cli.batch.lock import LOCK_NAME
from facesr_cli.errors import CapabilityError, UpscaleFailedError, UsageError


def _statuses(report):
    return {
        result.source.name if result.source.parent.name != "sub" else f"sub/{result.source.name}": (
            result.status,
            result.reason,
        )
        for result in report.files
    }


def _done_again(report):
    return {name for name, (status, _reason) in _statuses(report).items() if status == "done"}


@pytest.fixture
def out(run, album):
    """An output directory after a complete run."""
    assert run(album).count("done") == 5
    return album.with_name("album-x2")


def test_a_second_run_does_nothing(run, album, out, tree, upscaler):
    before = tree(out)
    upscaler.batches.clear()
    report = run(album)
    assert set(_statuses(report).values()) == {("skipped", "done-before")}
    assert report.exit_code == 0 and upscaler.batches == []
    assert tree(out) == before


def test_an_interrupted_run_ends_with_the_same_bytes(run, album, out, tree):
    whole = tree(out)
    tidy = (out / JOURNAL_NAME).read_bytes()
    journal = _lines_while_running(tidy)
    for name in ("sub/a.png", "z.tiff"):
        (out / name).unlink()
    (out / JOURNAL_NAME).write_bytes(b"".join(journal[:5]) + journal[5][:20])  # torn in its sixth line
    kept = {json.loads(line)["output"] for line in journal[:5]}
    for path in [path for path in out.rglob("*") if path.is_file() and path.name != JOURNAL_NAME]:
        if path.relative_to(out).as_posix() not in kept:
            path.unlink()

    report = run(album)

    assert report.exit_code == 0
    assert 0 < report.count("skipped") < 5
    assert tree(out) == whole
    assert (out / JOURNAL_NAME).read_bytes() == tidy
    assert set(_statuses(run(album)).values()) == {("skipped", "done-before")}, "lines after a torn one count"


def test_touched_source_deleted_and_truncated_outputs_are_redone(run, album, out, photograph):
    photograph(album / "a.png", seed=99)
    (out / "b.JPG").unlink()
    (out / "z.tiff").write_bytes((out / "z.tiff").read_bytes()[:-30])
    assert _done_again(run(album)) == {"a.png", "b.JPG", "z.tiff"}


def test_a_second_folder_never_replaces_what_the_first_one_became(run, tmp_path, photograph, tree):
    for seed, year in enumerate(("1999", "2000")):
        photograph(tmp_path / year / "IMG_0001.png", seed=seed)
        photograph(tmp_path / year / f"{year}.png", seed=seed)
    out = tmp_path / "out"
    run(tmp_path / "1999", out=out)
    before = tree(out)
    report = run(tmp_path / "2000", out=out)
    assert _statuses(report)["IMG_0001.png"] == ("failed", "exists-other-source")
    assert _statuses(report)["2000.png"] == ("done", None)
    (line,) = report.failures()
    assert str(tmp_path / "1999" / "IMG_0001.png") in line and "-o" in line
    assert tree(out) == before | {"2000.png": (out / "2000.png").read_bytes()}
    assert run(tmp_path / "1999", out=out).count("skipped") == 2, "the first folder's lines are still there"

    report = run(tmp_path / "2000", out=out, existing="overwrite")
    assert report.count("done") == 2 and tree(out)["IMG_0001.png"] != before["IMG_0001.png"]


def test_an_album_that_was_moved_is_redone_and_one_of_another_spelling_is_not(run, album, out):
    (album.parent / "link").symlink_to(album.parent)
    assert run(album.parent / "link" / "album", out=out).count("skipped") == 5
    album.rename(album.with_name("moved"))
    assert run(album.with_name("moved"), out=out).count("done") == 5


def test_a_copy_of_the_album_may_take_its_place(run, album, out, tmp_path):
    copy = shutil.copytree(album, tmp_path / "copy" / "album")
    assert run(copy, out=out).count("done") == 5


def test_a_new_modification_time_alone_counts(run, album, out):
    os.utime(album / "a.png", ns=(1, 1))
    assert _done_again(run(album)) == {"a.png"}


@pytest.mark.parametrize("change", [{"quality": 50}, {"metadata": "strip"}, {"realism": 0.5}])
def test_changed_settings_redo_everything(run, album, out, change):
    assert run(album, **change).count("done") == 5


@pytest.mark.parametrize("same", [{"workers": 1}, {"batch_size": 7}, {"provider": "cpu"}, {"device": 3}])
def test_settings_that_do_not_decide_the_picture_redo_nothing(run, album, out, same):
    assert run(album, **same).count("skipped") == 5


def test_another_model_redoes_everything(run, album, out, upscaler):
    upscaler.digest = "sha256:other"
    assert run(album).count("done") == 5


def test_a_file_of_someone_else_is_never_replaced(run, album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"precious")
    report = run(album, out=out)
    assert _statuses(report)["a.png"] == ("failed", "exists-unknown")
    assert report.exit_code == 1 and report.count("done") == 4
    assert "--existing overwrite" in next(iter(report.failures()))
    assert (out / "a.png").read_bytes() == b"precious"

    assert _statuses(run(album, out=out, existing="skip"))["a.png"] == ("skipped", "exists")
    assert (out / "a.png").read_bytes() == b"precious"
    assert _statuses(run(album, out=out, existing="overwrite"))["a.png"] == ("done", None)
    assert (out / "a.png").read_bytes() != b"precious"


def test_verify_finds_what_size_and_time_do_not(run, album, out, tree):
    whole = tree(out)
    content = bytearray(whole["a.png"])
    content[-1] ^= 255
    (out / "a.png").write_bytes(content)
    assert run(album).count("skipped") == 5, "same size: taken for done"
    report = run(album, verify=True)
    assert _done_again(report) == {"a.png"} and report.count("skipped") == 4
    assert tree(out) == whole


def test_verify_goes_with_resume_only(album):
    with pytest.raises(UsageError, match="--verify"):
        Settings(inputs=(album,), existing="skip", verify=True)


def test_failures_are_done_again_by_the_same_command(run, album, upscaler, tmp_path):
    upscaler.broken = lambda images: (
        UpscaleFailedError("implausible-output", "black.") if images[0].shape[1] == 10 else None
    )
    first = run(album, report=tmp_path / "report.json")
    assert _statuses(first)["sub/a.png"] == ("failed", "implausible-output")
    listed = json.loads((tmp_path / "report.json").read_text())["files"]
    assert [entry["source"] for entry in listed if entry["status"] == "failed"] == [
        str(album / "sub" / "a.png")
    ]
    upscaler.broken = lambda _images: None
    second = run(album)
    assert _done_again(second) == {"sub/a.png"} and second.exit_code == 0


def test_error_refuses_before_any_work(run, album, out, upscaler):
    upscaler.batches.clear()
    (out / "a.png").unlink()
    with pytest.raises(UsageError, match="4 outputs exist"):
        run(album, existing="error")
    assert upscaler.batches == [] and not (out / "a.png").exists()


def _lines_while_running(tidy):
    """Turn the journal of a complete run into the lines that it had before its end."""
    return [
        line.replace(b'"state":"done"', b'"state":"%s"' % state)
        for line in tidy.splitlines(keepends=True)
        for state in (b"writing", b"done")
    ]


def _mark_as_killed_before_done(out, name):
    """Leave what a kill just after the rename would have: no `done` line, and the lock file of the dead."""
    lines = _lines_while_running((out / JOURNAL_NAME).read_bytes())
    mark = f'"output":"{name}"'.encode()
    kept = [line for line in lines if not (mark in line and b'"done"' in line)]
    assert len(kept) == len(lines) - 1
    (out / JOURNAL_NAME).write_bytes(b"".join(kept))
    (out / LOCK_NAME).write_text("{}")


def test_killed_between_rename_and_journal(run, album, out):
    tidy = (out / JOURNAL_NAME).read_bytes()
    _mark_as_killed_before_done(out, "a.png")
    assert run(album).count("skipped") == 5, "its digest proves that it is whole"
    assert (out / JOURNAL_NAME).read_bytes() == tidy, "in order again, though nothing was to do"
    assert not (out / LOCK_NAME).exists()

    _mark_as_killed_before_done(out, "a.png")
    content = bytearray((out / "a.png").read_bytes())
    content[-1] ^= 255
    (out / "a.png").write_bytes(content)
    assert _done_again(run(album)) == {"a.png"}


def test_killed_while_the_journal_was_put_in_order(run, tmp_path, photograph, tree):
    """What is left then lies beside the journal, and that may be where no output lies."""
    photograph(tmp_path / "in" / "sub" / "a.png")
    assert run(tmp_path / "in").count("done") == 1
    out = tmp_path / "in-x2"
    whole = tree(out)
    (out / ".facesr-0123456789abcdef.part").write_bytes((out / JOURNAL_NAME).read_bytes()[:40])
    (out / LOCK_NAME).write_text("{}")
    assert run(tmp_path / "in").count("skipped") == 1
    assert tree(out) == whole


def test_a_journal_of_a_newer_version_is_refused(run, album, out, tree):
    with (out / JOURNAL_NAME).open("a") as file:
        file.write('{"version": 2, "something": "new"}\n')
    before = tree(out)
    with pytest.raises(CapabilityError, match="Upgrade facesr-cli"):
        run(album, existing="overwrite")
    assert tree(out) == before


def test_nonsense_in_a_journal_only_costs_a_redo(run, album, out):
    (out / JOURNAL_NAME).write_bytes(
        b'\xff\xfe\n[]\n{"version": 1}\nnull\n{"version": "x"}\n' + b"[" * 200_000
    )
    report = run(album)
    assert {reason for _status, reason in _statuses(report).values()} == {"exists-unknown"}
    assert run(album, existing="overwrite").count("done") == 5
    assert run(album).count("skipped") == 5


def test_own_outputs_are_not_inputs(run, album, out, tmp_path):
    before = sorted(out.rglob("*"))
    report = run(tmp_path, out=tmp_path / "other")
    assert {item.reason for item in report.ignored if out in item.path.parents} == {"own-output", "hidden"}
    assert report.count("done") == 5
    assert sorted(out.rglob("*")) == before
    # Named alone, an output directory is enlarged once more: its originals are not inputs.
    assert run(out).count("done") == 5


def test_outputs_beside_their_inputs_are_not_inputs_of_the_next_run(run, album):
    run(album / "a.png", album / "b.JPG")
    report = run(*sorted(album.glob("*.[pJ]*")))
    assert report.count("skipped") == 2
    assert not list(album.glob("*-x2-x2*"))


def test_the_output_directory_inside_the_input_is_not_read(run, album):
    assert run(album, out=album / "large").count("done") == 5
    report = run(album, out=album / "large")
    assert report.count("skipped") == 5 and len(report.files) == 5
    (album / "large" / "stray.png").write_bytes((album / "a.png").read_bytes())
    assert len(run(album, out=album / "large").files) == 5
    assert JOURNAL_NAME not in {result.source.name for result in report.files}


def test_links_to_the_output_directory_and_to_the_input_change_nothing(run, album, tmp_path):
    (tmp_path / "disk" / "far" / "away").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "far" / "away")
    (tmp_path / "disk" / "album").symlink_to(album)
    assert run(album, out=tmp_path / "out").count("done") == 5
    assert run(album, out=tmp_path / "disk" / "far" / "away").count("skipped") == 5
    assert run(tmp_path / "disk" / "album", out=tmp_path / "out").count("skipped") == 5
