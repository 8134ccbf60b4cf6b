"""Outputs stay in OUT, links are not written through, and nothing is ever unpickled."""

from __future__ import annotations

import ast
import secrets
from pathlib import Path

import pytest
from PIL import Image

from facesr_cli.batch.atomic import write_atomically
from facesr_cli.batch.containment import leads_outside
from facesr_cli.batch.journal import JOURNAL_NAME
from facesr_cli.errors import CapabilityError

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("directory", "outside"),
    [
        (".", False),
        ("a/b", False),
        ("a/../b", False),
        ("..", True),
        ("a/../../x", True),
        ("inner/x", False),
        ("outer", True),
        ("outer/x", True),
        ("loop/x", False),
        ("../out-other", True),
    ],
)
def test_where_a_directory_leads(tmp_path, directory, outside):
    out = tmp_path / "out"
    (out / "real").mkdir(parents=True)
    (out / "inner").symlink_to(out / "real")
    (out / "outer").symlink_to(tmp_path)
    (out / "loop").symlink_to(out / "loop")
    assert leads_outside(out / directory, out) is outside


@pytest.mark.parametrize("existing", ["resume", "overwrite"])
def test_linked_directories_in_the_output_directory_are_not_written_through(run, album, tmp_path, existing):
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (outside / "a.png").write_bytes(b"precious")
    (outside / ".facesr-0123456789abcdef.part").write_bytes(b"of another run")
    (out / "sub").symlink_to(outside)
    report = run(album, out=out, existing=existing)
    assert [result.reason for result in report.files if result.status == "failed"] == ["outside-output"] * 2
    assert report.count("done") == 3
    assert sorted(path.name for path in outside.iterdir()) == [".facesr-0123456789abcdef.part", "a.png"]
    assert (outside / "a.png").read_bytes() == b"precious"


def test_links_that_are_laid_during_the_run_are_not_written_through(run, upscaler, album, tmp_path):
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()

    def lay(_images):
        if not (out / "sub").exists():
            (out / "sub").symlink_to(outside)

    upscaler.broken = lay
    report = run(album, out=out)
    assert report.count("failed") == 2 and list(outside.iterdir()) == []


def test_an_output_directory_that_is_a_link_itself_is_meant(run, album, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    assert run(album, out=tmp_path / "out").count("done") == 5


def test_a_linked_output_is_replaced_not_written_through(run, album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious").write_bytes(b"precious")
    (out / "a.png").symlink_to(tmp_path / "precious")
    assert [result.reason for result in run(album, out=out).files][0] == "exists-unknown"
    run(album, out=out, existing="overwrite")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (out / "a.png").is_symlink()


def test_a_linked_temporary_name_is_not_written_through(tmp_path, monkeypatch):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / f".facesr-{'0' * 16}.part").symlink_to(tmp_path / "precious")
    names = iter(("0" * 16, "1" * 16))
    monkeypatch.setattr(secrets, "token_hex", lambda _number: next(names))
    write_atomically(tmp_path / "a.png", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "a.png").read_bytes() == b"new" and not (tmp_path / "a.png").is_symlink()


def test_a_linked_journal_is_refused(run, album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / JOURNAL_NAME).symlink_to(tmp_path / "precious")
    with pytest.raises(CapabilityError, match="no regular file"):
        run(album, out=out)
    assert not (tmp_path / "precious").exists()


def test_names_in_a_journal_are_never_paths_to_write(run, album, tmp_path):
    out = tmp_path / "out"
    run(album, out=out)
    lines = (out / JOURNAL_NAME).read_text()
    (out / JOURNAL_NAME).write_text(lines.replace('"output":"a.png"', '"output":"../../a.png"'))
    before = sorted(tmp_path.iterdir())
    run(album, out=out, existing="overwrite")
    assert sorted(tmp_path.iterdir()) == before


def test_bombs_are_refused_and_the_limit_can_be_moved(run, tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("1", (2000, 1000)).save(tmp_path / "in" / "a.png")
    limit = Image.MAX_IMAGE_PIXELS
    (result,) = run(tmp_path / "in", max_megapixels=1.9).files
    assert result.reason == "too-large" and "--max-megapixels" in result.message
    assert run(tmp_path / "in", max_megapixels=2.1).count("done") == 1
    assert limit == Image.MAX_IMAGE_PIXELS, "other users of Pillow in this process keep their limit"


def _modules(*folders):
    for folder in folders:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_no_module_unpickles():
    forbidden = {"pickle", "cPickle", "_pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}
    found = []
    for path, module in _modules("facesr_cli"):
        for node in ast.walk(module):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                names = [] if getattr(node.value, "value", None) is False else ["pickle"]
            found += [(path.name, name) for name in names if name.split(".")[0] in forbidden]
    assert found == []


def test_checkpoints_are_loaded_as_weights_only():
    for path, module in _modules("train/facesr_train", "export/facesr_export"):
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                options = {option.arg: ast.unparse(option.value) for option in node.keywords}
                assert options.get("weights_only") == "True", f"{path.name}:{node.lineno}"


def test_the_command_line_evaluates_no_text():
    for path, module in _modules("facesr_cli"):
        calls = {ast.unparse(node.func) for node in ast.walk(module) if isinstance(node, ast.Call)}
        assert not calls & {"eval", "exec", "os.system", "__import__"}, path.name
