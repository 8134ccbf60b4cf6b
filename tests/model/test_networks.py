"""Upscaler with networks of others, and with partner networks."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from facesr_cli.errors import ModelError, UsageError
from facesr_cli.model.upscaler import Upscaler

pytestmark = pytest.mark.usefixtures("only_the_cpu")


def nearest(pixels, scale=2):
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.mark.parametrize("model", ["foreign_model", "foreign_x3_model"])
def test_third_party_models_run(model, random_photo, request):
    with Upscaler(request.getfixturevalue(model), threads=1) as upscaler:
        photo = random_photo(21, 30)
        larger = upscaler.upscale(photo)
        assert larger.shape == (21 * upscaler.scale, 30 * upscaler.scale, 3)
        assert np.abs(larger - nearest(photo, upscaler.scale).astype(float)).mean() < 25


def test_third_party_tiles_are_blended_over_enough_context(foreign_model, upscaler, random_photo):
    photo = random_photo(150, 140)
    with Upscaler(foreign_model, tile_px=96, threads=1) as tiled:
        # Its true halo is 2, so blending two equal tiles must change nothing.
        np.testing.assert_array_equal(tiled.upscale(photo), upscaler.upscale(photo))


@pytest.mark.parametrize("shape", [(1, 3, "H", "W"), (4, 3, "H", "W"), (1, 3, 64, 48), ("N", 3, 64, "W")])
def test_third_party_models_of_fixed_sizes(tmp_path, build_onnx, upscaler, random_photo, shape):
    path = build_onnx(tmp_path / "fixed.onnx", shape=shape)
    with Upscaler(path, threads=1, batch_size=3) as fixed:
        for size in ((5, 6), (64, 48), (100, 130)):
            photo = random_photo(*size)
            larger = fixed.upscale(photo)
            assert larger.shape == (2 * size[0], 2 * size[1], 3)
            # Below the fixed size the border is padding, which reaches 2 px (halo) inside.
            np.testing.assert_array_equal(larger[:-4, :-4], upscaler.upscale(photo)[:-4, :-4])
        assert len(fixed.upscale_batch([random_photo(64, 48)] * 5)) == 5


def test_third_party_float16_models_run(tmp_path, build_onnx, upscaler, random_photo):
    path = build_onnx(tmp_path / "half.onnx", element=TensorProto.FLOAT16)
    photo = random_photo(20, 20)
    with Upscaler(path, threads=1) as half:
        difference = half.upscale(photo).astype(int) - upscaler.upscale(photo)
    assert np.abs(difference).max() <= 1


def test_realism_moves_from_the_model_to_its_partner(partner_model, random_photo):
    photo = random_photo(20, 20)

    def run(model, realism=None):
        with Upscaler(model, realism=realism, threads=1) as upscaler:
            return upscaler.upscale(photo).astype(int)

    mild, sharp = run(partner_model), run(partner_model.parent / "sharp.onnx")
    np.testing.assert_array_equal(run(partner_model, 0.0), mild)
    np.testing.assert_array_equal(run(partner_model, 1.0), sharp)
    assert np.abs(run(partner_model, 0.5) - (mild + sharp) / 2).max() <= 1.0


def test_a_changed_partner_is_another_network(partner_model):
    def digest(realism=None):
        with Upscaler(partner_model, provider="cpu", realism=realism) as upscaler:
            return upscaler.info.digest

    plain, half = digest(), digest(0.5)
    assert half not in (plain, digest(0.25)) and digest(0.5) == half
    sharp = partner_model.parent / "sharp.onnx"
    model = onnx.load(sharp)
    model.doc_string = "trained again"
    onnx.save(model, sharp)
    assert digest() == plain and digest(0.5) != half


def test_realism_needs_a_partner_and_a_number(tiny_model, partner_model):
    with pytest.raises(UsageError, match="tiny-x2 has no partner"):
        Upscaler(tiny_model, realism=0.5)
    with pytest.raises(UsageError, match="from 0 to 1"):
        Upscaler(partner_model, realism=1.5)


@pytest.mark.parametrize("partner", ["missing.onnx", "../sharp.onnx", "/etc/passwd"])
def test_partners_are_files_beside_the_model(tmp_path, build_onnx, make_info, partner):
    path = build_onnx(tmp_path / "m.onnx", info=make_info(partner=partner))
    with pytest.raises(ModelError):
        Upscaler(path, realism=0.5)


def test_unequal_partners_are_refused(tmp_path, build_onnx, make_info):
    build_onnx(tmp_path / "other.onnx", scale=3)
    path = build_onnx(tmp_path / "m.onnx", info=make_info(partner="other.onnx"))
    with pytest.raises(ModelError, match="not partners"):
        Upscaler(path, realism=0.5)
