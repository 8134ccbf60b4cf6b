from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage.data import astronaut

from facesr_cli.bench.degradations import DEGRADATIONS
from facesr_cli.bench.settings import DEFAULT_DEGRADATIONS
from facesr_cli.commands import bench as module
from facesr_cli.commands.bench import bench
from facesr_cli.errors import UsageError, WriteFailedError


class Nearest:
    """What the command makes instead of an `Upscaler`; remembers how."""

    made: list[tuple[str, dict[str, object]]] = []

    def __init__(self, model: str, **options: object) -> None:
        self.made.append((model, options))
        self.scale = 2
        self.batch_size = 1
        self.info = SimpleNamespace(name=model, version="1.0", digest="sha256:00", scale=2)
        self.repeated = self.approximated = ()
        self.provider = SimpleNamespace(
            key="cpu",
            requested="auto",
            actual="CPUExecutionProvider",
            device="test device",
            precision="fp32",
            warning="",
        )

    def upscale(self, image):
        return image.repeat(2, axis=0).repeat(2, axis=1)

    def upscale_batch(self, images):
        return [self.upscale(image) for image in images]

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    from facesr_cli.bench import end_to_end, limit
    from facesr_cli.model import upscaler

    monkeypatch.setattr(end_to_end, "FEWEST", 4)
    monkeypatch.setattr(end_to_end, "MOST", 4)
    monkeypatch.setattr(limit, "CPU_CONVOLUTIONS", (limit.Convolution(4, 16),))
    monkeypatch.setattr(limit, "COPY_VALUES", 1 << 12)
    Nearest.made = []
    monkeypatch.setattr(upscaler, "Upscaler", Nearest)


@pytest.fixture
def portraits(tmp_path):
    folder = tmp_path / "portraits"
    folder.mkdir()
    for index in range(2):
        pixels = np.ascontiguousarray(astronaut()[64 + 32 * index : 128 + 32 * index, 192:256])
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


def run(*arguments):
    """Invoke the command without the group, so that our errors arrive as exceptions."""
    return CliRunner().invoke(bench, [str(argument) for argument in arguments])


def test_table_and_protocol(portraits):
    result = run(portraits, "--no-throughput")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    heading = next(line for line in lines if "PSNR dB" in line)
    for column in ("degradation", "model", "gain dB", "SSIM", "PSNR-Y dB", "photos/s"):
        assert column in heading
    for degradation in DEFAULT_DEGRADATIONS:
        for model in ("bilinear", "bicubic", "lanczos", "face-x2"):
            assert any(line.split()[:2] == [degradation, model] for line in lines)
    assert "PSNR: 8-bit RGB, full frame" in result.stdout
    beside = lines[lines.index("Beside PSNR") :]
    for column in ("HF energy", "NIQE of original", "CIEDE2000", "LR dB"):
        assert any(column in line for line in beside[:4])
    (row,) = [line.split() for line in beside if line.split()[:2] == ["bicubic", "lanczos"]]
    assert 0 < float(row[2]) < 1
    assert float(row[6]) > 30
    assert "baselines: Pillow BILINEAR" in result.stdout
    assert "CPUExecutionProvider" in result.stdout
    assert "0/2 0.png" in result.stderr
    assert "0/2 0.png" not in result.stdout


def test_json_is_the_whole_of_stdout(portraits):
    result = run(portraits, "--json", "--degradation", "paper-alt", "--limit", "1")
    document = json.loads(result.stdout)
    assert [row["degradation"] for row in document["rows"]] == ["paper-alt"] * 4
    assert document["counts"] == {"done": 1, "failed": 0}
    assert all(row["images_per_s"] > 0 for row in document["rows"])


def test_speed_and_what_limits_it(portraits):
    result = run(portraits, "--degradation", "bicubic", "--limit", "1")
    lines = result.stdout.splitlines()
    speed = lines[lines.index("Speed") :]
    heading = next(line for line in speed if "forward/s" in line)
    for column in ("upscale/s", "of busiest", "GFLOP/s", "limit", "share", "MiB"):
        assert column in heading
    rows = {line.split()[0]: line.split() for line in speed if "32x32" in line}
    assert list(rows) == ["bilinear", "bicubic", "lanczos", "face-x2"]
    assert rows["bicubic"][4:6] == ["-", "-"]
    assert float(rows["face-x2"][4]) > 0
    (sentence,) = [line for line in speed if "face-x2: busiest stage " in line]
    assert sentence.split("busiest stage ")[1].split(",")[0] in ("decode", "inference", "encode")
    assert "bound by" in sentence and "GFLOP/s in one 3x3 convolution" in sentence


def test_json_has_the_speed(portraits):
    result = run(portraits, "--json", "--degradation", "bicubic", "--limit", "1")
    speed = json.loads(result.stdout)["throughput"]
    ours = speed["face-x2"]
    assert ours["end_to_end"]["images"] == 4
    assert ours["end_to_end"]["busiest"] == ours["bottleneck"]
    assert ours["end_to_end"]["share_of_busiest"] > 0
    assert ours["arithmetic"]["gflop"] > 0 and ours["arithmetic"]["share_of_limit"] > 0
    assert ours["forward_per_s"] > ours["images_per_s"]
    assert speed["bicubic"]["arithmetic"] is None and speed["bicubic"]["end_to_end"] is None


def test_options_reach_the_upscaler(portraits):
    run(
        *(portraits, "--model", "one", "--model", "two.onnx", "--provider", "cpu", "--device", "1"),
        *("--precision", "fp32", "--batch-size", "3", "--tile", "256", "--no-throughput", "--limit", "1"),
    )
    options = {"provider": "cpu", "device": 1, "precision": "fp32", "batch_size": 3, "tile_px": 256}
    assert Nearest.made == [("one", options), ("two.onnx", options)]


def test_report_folder(portraits, tmp_path):
    folder = tmp_path / "report"
    result = run(portraits, "--no-throughput", "--degradation", "bicubic", "-o", folder)
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == {"bench.json", "bench.md", "images.csv", "crops"}
    assert str(folder) in result.stderr


def test_the_report_does_not_depend_on_who_reads_stdout(portraits, tmp_path, monkeypatch):
    monkeypatch.setattr("facesr_cli.commands.bench._print_table", lambda _result: 1 / 0)
    result = run(portraits, "--no-throughput", "--degradation", "bicubic", "-o", tmp_path / "report")
    assert isinstance(result.exception, ZeroDivisionError)
    assert (tmp_path / "report" / "bench.json").exists()


def test_a_report_that_cannot_be_written_costs_no_figures(portraits, tmp_path, monkeypatch):
    def full(*_args):
        raise WriteFailedError("disk-full", "the disk is full")

    monkeypatch.setattr("facesr_cli.bench.report.write_report", full)
    result = run(portraits, "--no-throughput", "--degradation", "bicubic", "-o", tmp_path / "report")
    assert isinstance(result.exception, WriteFailedError) and "bilinear" in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no text")
def test_names_that_are_no_text(portraits, tmp_path):
    os.rename(os.fsencode(next(portraits.glob("*.png"))), os.fsencode(portraits) + b"/caf\xe9.png")
    result = run(portraits, "--no-throughput", "--degradation", "bicubic", "-o", tmp_path / "report")
    assert result.exit_code == 0, result.output
    files = {
        image["file"] for image in json.loads((tmp_path / "report" / "bench.json").read_text())["images"]
    }
    assert "caf\udce9.png" in files


def test_pairs(portraits, tmp_path):
    low = tmp_path / "low"
    low.mkdir()
    for path in portraits.iterdir():
        with Image.open(path) as image:
            image.reduce(2).save(low / path.name)
    result = run("--lr", low, "--hr", portraits, "--no-throughput", "--json")
    document = json.loads(result.stdout)
    assert {row["degradation"] for row in document["rows"]} == {"given"}
    (low / "0.png").rename(low / "zero.png")
    assert isinstance(run("--lr", low, "--hr", portraits).exception, UsageError)


def test_failed_photograph_is_named_and_exits_with_1(portraits):
    (portraits / "broken.jpg").write_bytes(b"no photograph")
    result = run(portraits, "--no-throughput", "--degradation", "bicubic")
    assert result.exit_code == 1
    assert "failed: broken.jpg" in result.stderr
    assert "2 from" in result.stdout


def test_wrong_usage(portraits, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments in (
        [],
        [portraits, "--lr", portraits, "--hr", portraits],
        [portraits, "--hr", portraits],
        ["--lr", portraits],
        ["--lr", portraits, "--hr", portraits, "--degradation", "real"],
        [empty],
        [tmp_path / "missing"],
    ):
        error = run(*arguments).exception
        assert isinstance(error, UsageError), arguments
        assert error.exit_code == 2
    assert run(portraits, "--degradation", "papier").exit_code == 2
    assert run(portraits, "--limit", "0").exit_code == 2
    assert Nearest.made == []


def test_names_repeated_for_a_quick_import_agree():
    from facesr_cli.model.catalogue import DEFAULT_MODEL

    assert tuple(DEGRADATIONS) == module.DEGRADATION_NAMES
    assert module.DEFAULT_DEGRADATIONS == DEFAULT_DEGRADATIONS
    assert module.DEFAULT_MODEL == DEFAULT_MODEL
