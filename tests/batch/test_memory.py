"""Two thousand small photographs: memory stays flat, and no descriptor is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# In a process of its own, whose memory nothing else grows.
_PROGRAM = """
import gc, json, os, sys
from pathlib import Path
from types import SimpleNamespace
from facesr_cli.batch import Settings, run_batch

class Nearest:
    info = SimpleNamespace(name="nearest", version="1", scale=2, digest="sha256:nearest")
    provider = SimpleNamespace(requested="auto", actual="StandInProvider", precision="fp32")
    scale, batch_size, repeated = 2, 4, ()
    approximated = ()
    def upscale_batch(self, images):
        return [image.repeat(2, 0).repeat(2, 1) for image in images]
    def close(self): pass

class Meter:
    finished = 0
    readings = []
    def begin(self, headline, total): pass
    def end(self): pass
    def advance(self, result):
        self.finished += 1
        if self.finished in (100, 2000):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident = pages * os.sysconf("SC_PAGE_SIZE")
            self.readings.append({"resident": resident, "descriptors": len(os.listdir("/proc/self/fd"))})

root, meter = Path(sys.argv[1]), Meter()
os.fsync = lambda descriptor: None  # two thousand times the disk would be most of this test
report = run_batch(
    Settings(inputs=(root / "in",), workers=2), upscaler_factory=lambda _settings: Nearest(), progress=meter
)
left = len(os.listdir("/proc/self/fd"))
print(json.dumps({"done": report.count("done"), "readings": meter.readings, "left": left}))
"""


@pytest.mark.timeout(600)
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_memory_is_flat_over_two_thousand_photographs(tmp_path, photograph):
    (tmp_path / "in").mkdir()
    kinds = []
    for suffix in ("png", "jpg"):
        path = photograph(tmp_path / f"one.{suffix}", width=16, height=16)
        kinds.append((suffix, path.read_bytes()))
    for number in range(2000):
        suffix, data = kinds[number % 2]
        (tmp_path / "in" / f"{number:04}.{suffix}").write_bytes(data)
    process = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True
    )
    found = json.loads(process.stdout)
    assert found["done"] == 2000
    after_100, after_all = found["readings"]
    assert after_all["resident"] <= 1.10 * after_100["resident"], found
    assert after_all["descriptors"] <= after_100["descriptors"] + 2, found  # files that are open just then
    assert found["left"] <= after_100["descriptors"], found
