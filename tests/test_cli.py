"""The command group: errors become exit codes and one paragraph on stderr."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from facesr_cli import __version__, errors
from facesr_cli.cli import cli
from facesr_cli.errors import FacesrError, ModelError, PhotoError, UsageError


def run(error, monkeypatch):
    @click.command()
    def failing():
        raise error

    monkeypatch.setitem(cli.commands, "failing", failing)
    return CliRunner().invoke(cli, ["failing"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("name a folder"), 2),
        (ModelError("face.onnx: broken"), 3),
        (PhotoError("unreadable", "a.jpg: no"), 1),
    ],
)
def test_our_errors_are_told_in_one_paragraph(error, code, monkeypatch):
    result = run(error, monkeypatch)
    assert result.exit_code == code
    assert result.stderr == f"Error: {error}\n"
    assert result.stdout == ""


def test_an_interrupt_ends_with_130(monkeypatch):
    result = run(KeyboardInterrupt(), monkeypatch)
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr


def test_programming_errors_are_not_hidden(monkeypatch):
    assert isinstance(run(ZeroDivisionError(), monkeypatch).exception, ZeroDivisionError)


def test_wrong_flags_exit_with_2():
    result = CliRunner().invoke(cli, ["upscale", "--provider", "abacus", "x"])
    assert result.exit_code == 2
    assert "abacus" in result.stderr


def test_version():
    assert CliRunner().invoke(cli, ["--version"]).stdout.strip().endswith(__version__)


def test_the_error_tree_in_the_docstring_is_complete():
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    for kind in classes:
        if issubclass(kind, FacesrError):
            assert kind.__name__ in (errors.__doc__ or "")
