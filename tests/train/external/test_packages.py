"""Weights in installed distributions: found, checked, converted once."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest

from facesr_cli.cache import cache_folder
from facesr_cli.errors import CapabilityError, MissingExtraError
from facesr_train.external import dlib_face, esrgan_prior, lite0
from facesr_train.external.packages import PackagedFile, PackagedWeights, load_arrays

CONTENT = bytes(range(8))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The file of a distribution that would raise if it were imported."""
    site = tmp_path / "site"
    (site / "fake_weights-1.0.dist-info").mkdir(parents=True)
    (site / "fake_weights-1.0.dist-info" / "METADATA").write_text("Name: fake-weights\nVersion: 1.0\n")
    (site / "fake_weights").mkdir()
    (site / "fake_weights" / "__init__.py").write_text("raise RuntimeError")
    (site / "fake_weights" / "net.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(site)
    return site / "fake_weights" / "net.bin"


def fake(distribution="fake-weights", read=None):
    return PackagedWeights(
        name="fake",
        distribution=distribution,
        version="1.0",
        extra="perceptual",
        files=(PackagedFile(path="fake_weights/net.bin", sha256=hashlib.sha256(CONTENT).hexdigest()),),
        values=8,
        instead="there is another",
        read=read or (lambda contents: {"a.weight": np.frombuffer(contents[0], np.uint8)}),
    )


def unexpected(contents):
    raise AssertionError("converted again")


def test_the_file_is_converted_once(installed, cache):
    first = load_arrays(fake())
    assert [path.parent.parent for path in cache.rglob("*.npz")] == [cache]
    installed.unlink()
    second = load_arrays(fake(read=unexpected))
    assert list(first) == list(second) == ["a.weight"]
    np.testing.assert_array_equal(second["a.weight"], range(8))
    assert "fake_weights" not in sys.modules


def test_a_damaged_cache_is_made_again(installed, cache):
    load_arrays(fake())
    (kept,) = cache.rglob("*.npz")
    whole = kept.read_bytes()
    for damaged in (b"", whole[:-30], whole.replace(CONTENT, CONTENT[::-1])):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(load_arrays(fake())["a.weight"], range(8))


def test_a_cache_with_pickled_objects_is_not_read(installed, cache):
    load_arrays(fake())
    (kept,) = cache.rglob("*.npz")
    np.savez(kept, **{"a.weight": np.array([1] * 8, object)})
    assert load_arrays(fake())["a.weight"].dtype == np.uint8


def test_an_absent_distribution_is_named_with_its_extra():
    with pytest.raises(
        MissingExtraError,
        match=r"no-such-weights.*facesr-cli\[perceptual\]\"; without them, there is another",
    ):
        load_arrays(fake("no-such-weights"))


def test_other_content_is_refused(installed, cache):
    installed.write_bytes(CONTENT + b"!")
    with pytest.raises(CapabilityError, match=r"net\.bin.*SHA-256.*facesr-cli\[perceptual\]"):
        load_arrays(fake())
    assert not list(cache.rglob("*.npz"))


def test_a_missing_file_is_named(installed):
    installed.unlink()
    with pytest.raises(CapabilityError, match=r"net\.bin.*cannot be read.*facesr-cli\[perceptual\]"):
        load_arrays(fake())


def test_a_cache_that_cannot_be_written_is_named(installed, cache):
    cache.write_text("a file in the way")
    with pytest.raises(CapabilityError, match="FACESR_CACHE"):
        load_arrays(fake())


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("FACESR_CACHE")
    monkeypatch.setenv("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "facesr-cli"


@pytest.mark.parametrize("weights", [lite0.WEIGHTS, dlib_face.WEIGHTS, esrgan_prior.WEIGHTS])
def test_extras_install_the_version_that_is_known(weights, request):
    pyproject = (request.config.rootpath / "pyproject.toml").read_text(encoding="utf-8")
    assert f'{weights.extra} = ["{weights.distribution}=={weights.version}"]' in pyproject
