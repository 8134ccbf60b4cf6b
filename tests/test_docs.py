"""The documents say what the program does: help blocks, links, commands and figures."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from facesr_cli import __version__
from facesr_cli.cli import cli

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def load_help_blocks():
    spec = importlib.util.spec_from_file_location("help_blocks", ROOT / "docs" / "help_blocks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_help_blocks_of_the_readme_are_current():
    blocks = load_help_blocks()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert blocks.with_help(text) == text, "run `make docs`"


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_help_and_stands_in_the_readme(command):
    assert cli.commands[command].help
    assert f"<!-- help: {command} -->" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_option_has_help(command):
    without = [
        parameter.name
        for parameter in cli.commands[command].params
        if parameter.param_type_name == "option" and not parameter.help
    ]
    assert without == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_changelog_knows_this_version():
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_page_names_a_folder_of_the_machine_it_was_made_on(path):
    found = re.findall(
        r"(?<![\w./*])/(?:home|root|work|tmp|Users|mnt)/[\w./-]*", path.read_text(encoding="utf-8")
    )
    assert found == []
