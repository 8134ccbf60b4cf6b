"""`facesr-cli upscale` at its edge: flags, streams, exit codes; the network is a stand-in."""

from __future__ import annotations

import json
from types import SimpleNamespace

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facesr_cli.commands import upscale as module
from facesr_cli.commands.upscale import upscale
from facesr_cli.errors import ProviderError


class _Nearest:
    info = SimpleNamespace(name="nearest", version="1.0", scale=2, digest="sha256:stand-in")
    provider = SimpleNamespace(requested="auto", actual="StandInProvider", precision="fp32", warning="")
    scale, batch_size, repeated = 2, 1, ()
    approximated = ()

    def upscale_batch(self, images):
        return [image.repeat(2, 0).repeat(2, 1) for image in images]

    def close(self):
        pass


@pytest.fixture
def opened(monkeypatch):
    """Put the stand-in in the place of the network; holds the settings that it was opened with."""
    seen = []
    monkeypatch.setattr(module, "_open_upscaler", lambda settings: seen.append(settings) or _Nearest())
    return seen


@pytest.fixture
def album(tmp_path):
    directory = tmp_path / "album"
    directory.mkdir()
    for number in range(2):
        Image.fromarray(np.full((4, 6, 3), 90 * number, dtype=np.uint8)).save(directory / f"{number}.png")
    return directory


def _run(*arguments):
    return CliRunner().invoke(upscale, [str(argument) for argument in arguments])


def test_files_on_disk_and_commentary_on_stderr(opened, album):
    result = _run(album)
    assert result.exit_code == 0
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "nearest 1.0 on StandInProvider (fp32): 2 photographs"
    assert lines[-2].startswith("2 done, 0 skipped, 0 failed in ")
    assert lines[-1] == f"written to {album.with_name('album-x2')}"
    assert sorted(path.name for path in album.with_name("album-x2").glob("*.png")) == ["0.png", "1.png"]


def test_json_is_the_one_document_on_stdout_and_equals_the_report(opened, album, tmp_path):
    result = _run(album, "--json", "--report", tmp_path / "r.json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "r.json").read_text())
    assert json.loads(result.stdout)["counts"]["done"] == 2


def test_failures_come_last_with_their_reasons_and_exit_code_1(opened, album):
    (album / "bad.jpg").write_text("text")
    for flags in ((), ("-q",)):
        result = _run(album, "--existing", "overwrite", *flags)
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1].startswith("failed [not-an-image]")
        assert "bad.jpg" in result.stderr.splitlines()[-1]
    assert len(result.stderr.splitlines()) == 1, "-q tells failures only"


def test_verbose_lists_files_and_what_is_ignored(opened, album):
    (album / "notes.txt").touch()
    result = _run(album, "-v")
    assert "done " in result.stderr and "0.png" in result.stderr
    assert "ignored [not-a-photograph]" in result.stderr
    assert "-v lists them" in _run(album).stderr


def test_flags_reach_the_settings(opened, album, tmp_path):
    flags = (
        "--model m.onnx --realism 0.3 --provider cuda --device 1 --precision fp16 --batch-size 4 --tile 256 "
        "--format jpeg --quality 80 --existing skip --include *.png --include *.jpg --exclude x "
        "--metadata strip --workers 3 --max-megapixels 300 --fail-fast"
    )
    _run(album, "-o", tmp_path / "o", *flags.split())
    (settings,) = opened
    assert (settings.out, settings.model, settings.realism) == (tmp_path / "o", "m.onnx", 0.3)
    assert (settings.provider, settings.device, settings.precision) == ("cuda", 1, "fp16")
    assert (settings.batch_size, settings.tile_px, settings.workers) == (4, 256, 3)
    assert (settings.file_format, settings.quality, settings.metadata) == ("jpeg", 80, "strip")
    assert (settings.existing, settings.include, settings.exclude) == ("skip", ("*.png", "*.jpg"), ("x",))
    assert settings.fail_fast and settings.max_megapixels == 300 and not settings.verify
    _run(album, "--verify")
    assert opened[1].verify and opened[1].existing == "resume"


def test_auto_is_none(opened, album):
    _run(album, "--batch-size", "auto", "--tile", "auto", "--workers", "auto")
    assert (opened[0].batch_size, opened[0].tile_px, opened[0].workers) == (None, None, None)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("x", "-q", "-v"),
        ("x", "--format", "heic"),
        ("x", "--quality", "0"),
        ("x", "--workers", "0"),
        ("x", "--max-megapixels", "0"),
    ],
)
def test_wrong_usage(opened, arguments):
    assert _run(*arguments).exit_code == 2


def test_errors_of_the_network_pass_through_typed(album, monkeypatch):
    def fail(_settings):
        raise ProviderError("no CUDA here")

    monkeypatch.setattr(module, "_open_upscaler", fail)
    result = _run(album)
    assert isinstance(result.exception, ProviderError), "the group turns it into exit code 3"
    assert [path.name for path in album.parent.iterdir()] == ["album"]


def test_a_provider_that_dies_in_the_middle_leaves_a_report_and_exit_code_3(album, tmp_path, monkeypatch):
    class Dying(_Nearest):
        def upscale_batch(self, images):
            raise ProviderError("the device was lost")

    monkeypatch.setattr(module, "_open_upscaler", lambda _settings: Dying())
    for flags in ((), ("-q",)):
        result = _run(album, "--json", "--report", tmp_path / "r.json", *flags)
        assert result.exit_code == 3
        assert result.stderr.splitlines()[-1] == "Error: the device was lost"
        document = json.loads(result.stdout)
        assert document == json.loads((tmp_path / "r.json").read_text())
        assert [entry["reason"] for entry in document["files"]] == ["provider-lost"] * 2


def test_patterns_can_be_expanded_where_shells_do_not(album):
    matches = [path for path in album.iterdir() if path.suffix == ".png"]
    assert module._expanded((album / "*.png", album, album / "none-*")) == (
        *sorted(matches),
        album,
        album / "none-*",
    )


def test_dry_run_prints_the_plan_on_stdout_and_writes_nothing(opened, album, monkeypatch, tmp_path):
    monkeypatch.setattr("facesr_cli.model.catalogue.resolve_model", lambda _name: tmp_path / "m.onnx")
    model = SimpleNamespace(info=_Nearest.info)
    monkeypatch.setattr("facesr_cli.model.info.read_model", lambda _path: model)
    result = _run(album, "--dry-run")
    assert result.exit_code == 0
    assert "(6x4 -> 12x8)" in result.stdout and "2 photographs to upscale" in result.stdout
    assert "about " in result.stdout.splitlines()[-1]
    document = json.loads(_run(album, "--dry-run", "--json").stdout)
    assert document["counts"]["upscale"] == 2 and document["forecast"]["probes"] == 2
    assert [path.name for path in album.parent.iterdir()] == ["album"]


def test_every_option_has_help():
    assert all(parameter.help for parameter in upscale.params if isinstance(parameter, click.Option)), (
        "an option without help"
    )


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_a_folder_without_photographs_is_said(opened, tmp_path, flags):
    (tmp_path / "letter.txt").write_text("hello")
    result = CliRunner().invoke(upscale, [str(tmp_path), *flags])
    assert result.exit_code == 0
    assert "No photographs found" in result.stderr and ".jpeg" in result.stderr
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    assert "No photographs found" not in CliRunner().invoke(upscale, [str(tmp_path), *flags]).stderr
