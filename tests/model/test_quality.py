"""`auto` takes bf16 only where the picture stays the same, and says which it was."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facesr_cli.errors import ProviderError, UpscaleFailedError
from facesr_cli.model import choosing, providers
from facesr_cli.model.choosing import open_engine
from facesr_cli.model.engine import Engine
from facesr_cli.model.providers import PROVIDERS
from facesr_cli.model.quality import agreement_db, sample_picture
from facesr_cli.model.session import NetworkSource


class Off:
    """A session that repeats pixels and is wrong by `levels` in every second one."""

    def __init__(self, levels):
        self.levels = levels

    def run(self, _outputs, feeds, _options):
        (pixels,) = feeds.values()
        if self.levels is None:
            raise RuntimeError("broken")
        larger = pixels.repeat(2, 1).repeat(2, 2).astype(int)
        larger[:, ::2] += self.levels
        return [np.clip(larger, 0, 255).astype(np.uint8), np.zeros(len(pixels), np.float32)]


def engine(levels, precision="bf16", key="openvino"):
    return Engine(Off(levels), None, PROVIDERS[key], precision)


def test_agreement_is_the_psnr_between_both():
    reference = engine(0, "fp32", "cpu")
    assert agreement_db(engine(0), reference, (1, 32, 32)) == math.inf
    half_off = agreement_db(engine(1), reference, (1, 128, 128))
    assert half_off == pytest.approx(10 * math.log10(255**2 / 0.5), abs=0.3)
    assert agreement_db(engine(None), reference, (1, 32, 32)) == -math.inf


def test_the_picture_has_shades_and_edges_and_is_always_the_same():
    picture = sample_picture(2, 64, 80)
    assert picture.shape == (2, 64, 80, 3) and picture.dtype == np.uint8
    assert picture.std() > 30
    np.testing.assert_array_equal(picture, sample_picture(2, 64, 80))


@pytest.mark.parametrize(("levels", "precision"), [(0, "bf16"), (5, "fp32"), (None, "fp32")])
def test_auto_keeps_bf16_only_with_the_picture(monkeypatch, levels, precision):
    def open_on(provider, _source, terms):
        if provider.key == "cpu":
            return engine(0, "fp32", "cpu")
        resolved = providers.choose_precision(provider, terms.precision, "CPU")
        return engine(levels if resolved == "bf16" else 0, resolved)

    monkeypatch.setattr(providers, "cpu_flags", lambda: frozenset({"amx_bf16"}))
    monkeypatch.setattr(choosing, "open_on", open_on)
    monkeypatch.setattr(choosing, "device_text", lambda _provider, _device: "test CPU")
    source = NetworkSource(build=lambda _precision: b"", name="n", digest="")
    opened, choice = open_engine(source, requested="openvino", device=0, precision="auto", threads=1)
    assert opened.precision == choice.precision == precision
    assert "bf16" in choice.reason, "it says why"
    asked, choice = open_engine(source, requested="openvino", device=0, precision="bf16", threads=1)
    assert asked.precision == "bf16" and "processor computes" not in choice.reason, (
        "what is asked for is not doubted"
    )


@pytest.mark.parametrize(
    ("key", "levels", "precision"),
    [("cuda", 0, "fp16"), ("cuda", 5, "fp32"), ("cuda", None, "fp32"), ("tensorrt", 5, "fp16")],
)
def test_auto_keeps_fp16_only_with_the_picture(monkeypatch, key, levels, precision):
    """TensorRT is not tried: it would build an engine for the sample alone."""

    def open_on(provider, _source, terms):
        if provider.key == "cpu":
            return engine(0, "fp32", "cpu")
        resolved = providers.choose_precision(provider, terms.precision, "")
        return engine(levels if resolved == "fp16" else 0, resolved, provider.key)

    monkeypatch.setattr(choosing, "open_on", open_on)
    monkeypatch.setattr(choosing, "device_text", lambda _provider, _device: "test GPU")
    source = NetworkSource(build=lambda _precision: b"", name="n", digest="")
    opened, choice = open_engine(source, requested=key, device=0, precision="auto", threads=1)
    assert opened.precision == choice.precision == precision
    assert ("fp16" in choice.reason.split(": ", 1)[1]) == (key == "cuda"), "it says why"
    assert ("fails on a sample" in choice.reason) == (levels is None) and "inf dB from" not in choice.reason
    asked, _ = open_engine(source, requested=key, device=0, precision="fp16", threads=1)
    assert asked.precision == "fp16", "what is asked for is not doubted"


def test_a_provider_that_fails_where_the_cpu_does_not_has_not_started(monkeypatch):
    """So `auto` goes on to the next one, and who asked for it learns at once."""

    def open_on(provider, _source, terms):
        if provider.key == "cpu":
            return engine(0, "fp32", "cpu")
        return engine(None, providers.choose_precision(provider, terms.precision, ""), provider.key)

    monkeypatch.setattr(choosing, "open_on", open_on)
    monkeypatch.setattr(choosing, "available", lambda: ("cuda", "cpu"))
    source = NetworkSource(build=lambda _precision: b"", name="n", digest="", sample=(1, 16, 16))
    with pytest.raises(ProviderError, match="a small picture that the CPU can do, in fp16 and in fp32"):
        open_engine(source, requested="cuda", device=0, precision="auto", threads=1)
    _, choice = open_engine(source, requested="auto", device=0, precision="auto", threads=1)
    assert choice.key == "cpu" and "small picture" in choice.warning


@pytest.mark.parametrize(
    ("flag", "precision"), [("avx512_bw", "fp32"), ("avx512_bf16", "bf16"), ("amx_bf16", "bf16")]
)
def test_auto_tries_bf16_where_the_processor_computes_in_it(flag, precision, monkeypatch):
    monkeypatch.setattr(providers, "cpu_flags", lambda: frozenset({"avx2", flag}))
    assert providers.choose_precision(PROVIDERS["openvino"], "auto", "CPU") == precision
    assert providers.choose_precision(PROVIDERS["openvino"], "auto", "GPU") == "fp32"
    assert providers.choose_precision(PROVIDERS["cpu"], "auto", "") == "fp32"


def test_a_failing_engine_is_typed_elsewhere():
    with pytest.raises(UpscaleFailedError):
        engine(None).run(sample_picture(1, 8, 8))
