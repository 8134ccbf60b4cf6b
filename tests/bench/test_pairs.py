from __future__ import annotations

import pytest

from facesr_cli.bench.pairs import find_photographs, paired_samples, samples_of
from facesr_cli.errors import UsageError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_folder_is_walked_in_order_without_hidden_files(tmp_path):
    touch(tmp_path, "b.JPG", "a/z.png", "a.tif", ".hidden.png", ".git/x.png", "notes.txt", "a/._z.png")
    assert [path.relative_to(tmp_path).as_posix() for path in find_photographs(tmp_path)] == [
        "a.tif",
        "a/z.png",
        "b.JPG",
    ]


def test_pictures_of_a_report_are_no_photographs(tmp_path):
    for name in ("a.png", "crops/b.png", "report/crops/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "report" / "bench.json").write_text("{}")
    found = [path.relative_to(tmp_path).as_posix() for path in find_photographs(tmp_path)]
    assert found == ["a.png", "crops/b.png"], "another folder of that name counts"


def test_samples_are_named_below_their_folder(tmp_path):
    touch(tmp_path, "a/z.png")
    (sample,) = samples_of(tmp_path)
    assert (sample.file, sample.high, sample.low) == ("a/z.png", tmp_path / "a/z.png", None)


def test_no_photographs(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(UsageError, match="no photographs"):
        find_photographs(tmp_path)
    with pytest.raises(UsageError, match="not a directory"):
        find_photographs(tmp_path / "missing")


def test_pairs_go_by_name_whatever_the_extension(tmp_path):
    low = touch(tmp_path / "low", "b.png", "sub/a.jpg")
    high = touch(tmp_path / "high", "sub/a.png", "b.tif")
    assert [(sample.file, sample.low) for sample in paired_samples(low, high)] == [
        ("b.tif", low / "b.png"),
        ("sub/a.png", low / "sub/a.jpg"),
    ]


def test_equal_counts_with_one_renamed_file_are_refused(tmp_path):
    low = touch(tmp_path / "low", "a.png", "b.png", "c.png")
    high = touch(tmp_path / "high", "a.png", "b2.png", "c.png")
    with pytest.raises(UsageError) as caught:
        paired_samples(low, high)
    assert str(low / "b") in str(caught.value)
    assert str(high / "b2") in str(caught.value)
    assert "2 photographs cannot be paired" in str(caught.value)


def test_long_lists_of_unpaired_names_are_cut(tmp_path):
    low = touch(tmp_path / "low", "a.png", *(f"{index:02}.png" for index in range(30)))
    high = touch(tmp_path / "high", "a.png")
    with pytest.raises(UsageError, match="and 20 more"):
        paired_samples(low, high)


def test_one_name_twice_is_refused(tmp_path):
    low = touch(tmp_path / "low", "a.png", "a.jpg")
    high = touch(tmp_path / "high", "a.png")
    with pytest.raises(UsageError, match="same name"):
        paired_samples(low, high)
