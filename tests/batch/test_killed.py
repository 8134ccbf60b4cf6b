"""Twenty runs that are killed at random moments, each one continued: byte for byte an uninterrupted run."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

# Forks each run from a process that has imported everything already, so that twenty runs take seconds. The
# pauses spread a run over time; random ones, so that threads meet in ever other ways.
_PROGRAM = """
import json, os, random, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from facesr_cli.batch import Settings, run_batch
import PIL.JpegImagePlugin, PIL.PngImagePlugin, PIL.ImageCms

class Nearest:
    info = SimpleNamespace(name="nearest", version="1", scale=2, digest="sha256:nearest")
    provider = SimpleNamespace(requested="auto", actual="StandInProvider", precision="fp32")
    scale, batch_size, repeated = 2, 2, ()
    approximated = ()
    def upscale_batch(self, images):
        time.sleep(random.uniform(0, 0.004))
        return [image.repeat(2, 0).repeat(2, 1) for image in images]
    def close(self): pass

root, seed = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)

def start(out):
    pid = os.fork()
    if pid == 0:
        report = run_batch(
            Settings(inputs=(root / "in",), out=out, workers=2), upscaler_factory=lambda _settings: Nearest()
        )
        os._exit(report.exit_code)
    return pid

def end(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def size(journal):
    try:
        return journal.stat().st_size
    except OSError:
        return 0

assert end(start(root / "whole")) == 0
# While it grows, a journal has two lines for each output.
grown = 2 * size(root / "whole" / ".facesr-journal.jsonl")
for index in range(int(sys.argv[3])):
    out = root / f"out-{index}"
    # Moments are chosen by how far the run has come, and then a little later: time alone says less on a
    # machine that does other things too.
    reached, later_s = int(chance.uniform(-0.1, 1) * grown), chance.uniform(0, 0.005)
    pid = start(out)
    ended = (0, 0)
    while size(out / ".facesr-journal.jsonl") < reached and not ended[0]:
        time.sleep(0.0002)
        ended = os.waitpid(pid, os.WNOHANG)
    killed = False
    if not ended[0]:
        time.sleep(later_s)
        os.kill(pid, signal.SIGKILL)
        killed = end(pid) == -signal.SIGKILL
    print(json.dumps({"out": str(out), "reached": reached, "later_s": later_s, "killed": killed}), flush=True)
    sys.stdin.readline()  # the test looks at what is there
    assert end(start(out)) == 0
    print("continued", flush=True)
    sys.stdin.readline()
"""

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="fork and SIGKILL"),
    pytest.mark.timeout(600),  # seconds, but of a disk and a processor that others may be using
]


def _everything(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_killed_at_twenty_random_moments_and_continued(tmp_path, photograph):
    for number in range(24):
        name = f"{'abc'[number % 3]}/{number:02}.{'png' if number % 2 else 'jpg'}"
        photograph(tmp_path / "in" / name, seed=number, width=40 + 8 * (number % 3), height=48)
    runs = 20
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path), str(os.getpid()), str(runs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    killed, partial = 0, set()
    with process:
        for index in range(runs):
            fact = json.loads(process.stdout.readline())
            expected = _everything(tmp_path / "whole")
            assert len(expected) == 25, "24 photographs and the journal"
            out = tmp_path / f"out-{index}"
            found = _everything(out) if out.exists() else {}
            outputs = {name: data for name, data in found.items() if not name.split("/")[-1].startswith(".")}
            for name, data in outputs.items():
                assert data == expected[name], (fact, name)
                Image.open(io.BytesIO(data)).load()
            killed += fact["killed"]
            partial.add(len(outputs))
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "continued\n", fact
            assert _everything(out) == expected, fact
            process.stdin.write("\n")
            process.stdin.flush()
        process.stdin.close()
    assert process.returncode == 0
    assert killed >= runs // 2, "the moments lie within the run"
    assert len(partial) > 3, f"killed at different points: {partial}"
