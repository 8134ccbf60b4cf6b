"""Standard streams that are closed, or whose reader goes away: files and exit codes stay what they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors and signals of POSIX")

_PROGRAM = """
import sys, time
from types import SimpleNamespace
from facesr_cli.cli import cli
from facesr_cli.commands import upscale

class Slow:
    info = SimpleNamespace(name="slow", version="1", scale=2, digest="sha256:slow")
    provider = SimpleNamespace(requested="auto", actual="StandInProvider", precision="fp32")
    scale, batch_size, repeated = 2, 1, ()
    approximated = ()
    def upscale_batch(self, images):
        time.sleep(0.3)
        return [image.repeat(2, 0).repeat(2, 1) for image in images]
    def close(self): pass

upscale._open_upscaler = lambda _settings: Slow()
cli(["upscale", *sys.argv[1:]])
"""


@pytest.fixture
def album(tmp_path, portraits=3):
    from PIL import Image

    directory = tmp_path / "album"
    directory.mkdir()
    for number in range(portraits):
        Image.new("RGB", (6, 4), (80 * number, 0, 0)).save(directory / f"{number}.png")
    return directory


def _command(album, *flags):
    return [sys.executable, "-c", _PROGRAM, str(album), *flags]


@pytest.mark.parametrize("flags", [(), ("-v",)])
def test_a_reader_of_stderr_that_goes_away_ends_nothing(album, tmp_path, flags):
    report = tmp_path / "r.json"
    process = subprocess.Popen(_command(album, "--report", str(report), *flags), stderr=subprocess.PIPE)
    process.stderr.readline()
    process.stderr.close()
    assert process.wait(timeout=100) == 0
    assert json.loads(report.read_text())["counts"]["done"] == 3


@pytest.mark.parametrize("flags", [(), ("-v",)])
def test_readers_that_end_with_the_same_signal_do_not_change_the_exit_code(album, tmp_path, flags):
    report = tmp_path / "r.json"
    process = subprocess.Popen(
        _command(album, "--json", "--report", str(report), *flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stderr.readline()
    process.stderr.close()
    process.stdout.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=100) == 130
    assert report.exists()


def test_a_document_that_nobody_takes_is_a_failure(album):
    process = subprocess.Popen(_command(album, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    with process.stderr:
        said = process.stderr.read().decode()
    assert process.wait(timeout=100) == 1
    assert said.splitlines()[-1].startswith("Error: the document cannot be written to stdout")


@pytest.mark.parametrize(
    "flags", [("--version",), ("models",), ("models", "--json"), ("upscale", "ALBUM", "--dry-run")]
)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_stdout_that_takes_nothing_is_said_in_a_sentence(album, flags):
    command = [
        sys.executable,
        "-m",
        "facesr_cli",
        *(str(album) if word == "ALBUM" else word for word in flags),
    ]
    with open("/dev/full", "w") as full:
        process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=100)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == "Error: stdout cannot be written (No space left on device)."
    assert "Traceback" not in process.stderr


def test_names_that_stdout_cannot_spell_are_escaped(album):
    (album / "0.png").rename(album / "Łukasz.png")
    process = subprocess.run(
        [sys.executable, "-m", "facesr_cli", "upscale", str(album), "--dry-run"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
        timeout=100,
    )
    assert process.returncode == 0
    assert b"\\u0141ukasz.png" in process.stdout and b"no collisions" in process.stdout


def test_closed_descriptors_are_not_taken_by_files_of_the_run(album):
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *_command(album)],
    )
    assert process.wait(timeout=100) == 0
    journal = album.with_name("album-x2") / ".facesr-journal.jsonl"
    assert len([json.loads(line) for line in journal.read_text().splitlines()]) == 3
    assert not (album.with_name("album-x2") / ".facesr-lock").exists()
