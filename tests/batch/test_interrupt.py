"""Ctrl-C in a real process: whole files only, a report, 130, and the same command continues."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from facesr_cli.batch.agenda import make_plan

# The network is slow enough to be interrupted, and says when its first photograph is through.
_PROGRAM = """
import hashlib, sys, time
from pathlib import Path
from types import SimpleNamespace
from facesr_cli.batch import Settings, run_batch

class Slow:
    info = SimpleNamespace(name="slow", version="1", scale=2, digest="sha256:slow")
    provider = SimpleNamespace(requested="auto", actual="StandInProvider", precision="fp32")
    scale, batch_size, repeated = 2, 1, ()
    approximated = ()
    def upscale_batch(self, images):
        print("began", flush=True)
        if sys.argv[2] == "native":  # in C and without the lock of the interpreter, as an inference is
            hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000_000)
        else:
            time.sleep(float(sys.argv[2]))
        return [image.repeat(2, 0).repeat(2, 1) for image in images]
    def close(self): pass

root = Path(sys.argv[1])
settings = Settings(inputs=(root / "in",), report=root / "report.json", workers=1)
sys.exit(run_batch(settings, upscaler_factory=lambda _settings: Slow()).exit_code)
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def _start(root, pause_s):
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(root), str(pause_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def root(tmp_path, photograph):
    for number in range(20):
        photograph(tmp_path / "in" / f"{number:02}.png", seed=number)
    return tmp_path


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_ends_in_order_and_the_same_command_continues(root, signum):
    process = _start(root, 0.05)
    for _ in range(3):
        assert process.stdout.readline() == "began\n"
    process.send_signal(signum)
    _, said = process.communicate(timeout=100)

    assert process.returncode == 128 + signum
    assert "Interrupted" in said
    document = json.loads((root / "report.json").read_text())
    statuses = [entry["status"] for entry in document["files"]]
    assert len(statuses) == 20 and document["counts"]["done"] == statuses.count("done") >= 2
    assert statuses.count("not-started") >= 10
    outputs = [path for path in (root / "in-x2").iterdir() if path.suffix != ".jsonl"]
    assert len(outputs) == statuses.count("done"), "nothing but whole, reported files"
    for path in outputs:
        with Image.open(path) as image:
            image.load()

    second = _start(root, 0)
    second.communicate(timeout=100)
    assert second.returncode == 0
    counts = json.loads((root / "report.json").read_text())["counts"]
    assert counts == {"done": 20 - statuses.count("done"), "skipped": statuses.count("done"), "failed": 0}


def test_the_reader_of_stderr_may_go_with_the_first_signal_and_the_second_still_counts(root):
    process = _start(root, 20)
    assert process.stdout.readline() == "began\n"
    process.stderr.close()
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # nothing says that the first one was taken
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=15) == 130
    process.stdout.close()


def test_a_signal_that_the_parent_ignores_stays_ignored(root):
    for path in sorted((root / "in").iterdir())[3:]:
        path.unlink()
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", _PROGRAM, str(root), "0.3"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "began\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)
    assert process.returncode == 0


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_plan_is_made_leaves_a_report_too(run, root, monkeypatch, signum):
    def interrupted(*arguments):
        os.kill(os.getpid(), signum)
        time.sleep(0.2)  # until the thread that reads signals has it
        return make_plan(*arguments)

    monkeypatch.setattr("facesr_cli.batch.run.make_plan", interrupted)
    before = signal.getsignal(signum)
    report = run(root / "in", report=root / "report.json")
    assert report.exit_code == 128 + signum and signal.getsignal(signum) is before
    assert json.loads((root / "report.json").read_text())["files"][0]["reason"] == "interrupted"
    assert not (root / "in-x2" / ".facesr-lock").exists()


def test_a_signal_ends_the_comparison_of_outputs(run, root, monkeypatch):
    assert run(root / "in").exit_code == 0
    compared = []

    def slow(path):
        compared.append(path)
        if len(compared) > 1:
            return  # a second signal would end all of pytest
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)

    monkeypatch.setattr("facesr_cli.batch.existing._sha256", slow)
    report = run(root / "in", verify=True)
    assert report.exit_code == 130 and len(compared) == 1
    assert {result.reason for result in report.files} == {"interrupted"}


def test_a_signal_while_outputs_are_told_from_photographs_leaves_a_report(run, root, monkeypatch):
    assert run(root / "in").exit_code == 0

    def stopped_at_once(settings, model, stopped):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
        return make_plan(settings, model, stopped)

    monkeypatch.setattr("facesr_cli.batch.run.make_plan", stopped_at_once)
    report = run(root, report=root / "report.json", out=root.with_name("elsewhere"))
    assert report.exit_code == 128 + signal.SIGTERM
    assert json.loads((root / "report.json").read_text())["files"] == []
    assert not root.with_name("elsewhere").exists()


@pytest.mark.parametrize("inference", [20, "native"])
def test_second_signal_ends_at_once(root, inference):
    process = _start(root, inference)
    assert process.stdout.readline() == "began\n"
    process.send_signal(signal.SIGINT)
    # Two signals of one kind at the same moment are one signal: the first is seen by what it says.
    while "Interrupted" not in process.stderr.readline():
        pass
    begun_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - begun_s < 5
    assert not (root / "in-x2" / ".facesr-lock").exists()
