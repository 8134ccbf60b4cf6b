"""Bundled models and how models are named."""

from __future__ import annotations

import pytest

from facesr_cli.errors import ModelError
from facesr_cli.model import catalogue
from facesr_cli.model.catalogue import bundled_models, bundled_names, parse_figures, resolve_model


def test_the_default_comes_first(bundled, build_onnx, make_info):
    build_onnx(bundled / "a-model.onnx", info=make_info(name="a-model"))
    assert bundled_names() == ("face-x2", "a-model")
    first = bundled_models()[0]
    assert (first.name, first.parameters, first.info.scale) == ("face-x2", 900, 2)
    assert first.figures["paper"].startswith("+2.10 dB")
    assert "bicubic" in first.summary


def test_names_and_paths_are_resolved(bundled, tiny_model):
    assert resolve_model("face-x2") == bundled / "face-x2.onnx"
    assert resolve_model(str(tiny_model)) == tiny_model


def test_an_incomplete_installation_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path / "missing")
    assert bundled_models() == ()
    with pytest.raises(ModelError, match="installation is incomplete"):
        resolve_model("face-x2")
    with pytest.raises(ModelError, match="no models are bundled"):
        resolve_model("other")


def test_unknown_names_list_the_bundled_ones(bundled, tmp_path):
    with pytest.raises(ModelError, match="bundled models are face-x2"):
        resolve_model("face-x3")
    with pytest.raises(ModelError, match="is a folder"):
        resolve_model(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        (None, {}),
        ('{"paper": 2.1, "set": "50 photographs"}', {"paper": "2.1", "set": "50 photographs"}),
        ("+2 dB", {"figures": "+2 dB"}),
        ("[1]", {"figures": "[1]"}),
    ],
)
def test_figures_are_shown_whatever_they_are(text, figures):
    assert parse_figures(text) == figures
