"""Upscaler: kinds of pictures, batches, tiles, lack of memory, implausible output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_cli.errors import ProviderError, TilingWarning, UpscaleFailedError, UsageError
from facesr_cli.model import catalogue
from facesr_cli.model.engine import Engine
from facesr_cli.model.upscaler import Upscaler

pytestmark = pytest.mark.usefixtures("only_the_cpu")


def nearest(pixels, scale=2):
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def test_what_is_known_after_opening(tiny_model):
    with Upscaler(tiny_model, threads=1) as upscaler:
        assert upscaler.info.name == "tiny-x2"
        assert (upscaler.scale, upscaler.batch_size) == (2, 1)
        assert upscaler.provider.requested == "auto"
        assert upscaler.provider.actual == "CPUExecutionProvider"
        assert upscaler.provider.precision == "fp32"
        assert "CPU" in upscaler.provider.reason and "\n" not in upscaler.provider.reason


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 47)])
def test_arrays_keep_type_and_grow(upscaler, random_photo, dtype, size):
    photo = random_photo(*size, dtype)
    larger = upscaler.upscale(photo)
    assert larger.dtype == dtype
    assert larger.shape == (2 * size[0], 2 * size[1], 3)
    assert np.abs(larger / np.iinfo(dtype).max - nearest(photo) / np.iinfo(dtype).max).mean() < 0.1


def test_sixteen_bit_has_more_than_eight_bits(upscaler, random_photo):
    larger = upscaler.upscale(random_photo(16, 16, np.uint16))
    assert np.unique(larger % 257).size > 100


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_arrays_stay_grey(upscaler, random_photo, dtype):
    larger = upscaler.upscale(random_photo(9, 12, dtype)[:, :, 0])
    assert larger.shape == (18, 24)
    assert larger.dtype == dtype


@pytest.mark.parametrize(
    ("mode", "result_mode"),
    [
        ("L", "L"),
        ("RGB", "RGB"),
        ("LA", "LA"),
        ("RGBA", "RGBA"),
        ("1", "L"),
        ("P", "RGB"),
        ("CMYK", "RGB"),
        ("YCbCr", "RGB"),
        ("I;16", "I;16"),
        ("I;16B", "I;16"),
        ("I", "I;16"),
    ],
)
def test_pillow_modes(upscaler, mode, result_mode):
    larger = upscaler.upscale(Image.new(mode, (5, 3)))
    assert (larger.mode, larger.size) == (result_mode, (10, 6))


def test_transparent_palette_becomes_rgba(upscaler):
    image = Image.new("P", (5, 3))
    image.info["transparency"] = 0
    assert upscaler.upscale(image).mode == "RGBA"


def test_pillow_equals_array_and_alpha_is_lanczos(upscaler, random_photo):
    photo = random_photo(12, 15)
    alpha = Image.fromarray(random_photo(12, 15, seed=1)[:, :, 0])
    image = Image.fromarray(photo)
    image.putalpha(alpha)
    image.info["icc_profile"] = b"profile"
    larger = upscaler.upscale(image)
    assert larger.info["icc_profile"] == b"profile"
    np.testing.assert_array_equal(np.asarray(larger.convert("RGB")), upscaler.upscale(photo))
    expected = alpha.resize((30, 24), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(np.asarray(larger.getchannel("A")), np.asarray(expected))


@pytest.mark.parametrize("mode", ["F"])
def test_pillow_modes_without_a_range_are_refused(upscaler, mode):
    with pytest.raises(ValueError, match="mode F"):
        upscaler.upscale(Image.new(mode, (5, 3)))


@pytest.mark.parametrize(
    ("pixels", "error"),
    [
        (np.zeros((4, 4, 3), np.float32), TypeError),
        (np.zeros((4, 4, 4), np.uint8), ValueError),
        (np.zeros((0, 4, 3), np.uint8), ValueError),
        (np.zeros((4,), np.uint8), ValueError),
    ],
)
def test_other_arrays_are_refused(upscaler, pixels, error):
    with pytest.raises(error):
        upscaler.upscale(pixels)


def test_batch_keeps_order_over_shapes_and_types(tiny_model, random_photo):
    photos = [
        random_photo(8, 9, seed=0),
        random_photo(5, 5, seed=1),
        random_photo(8, 9, np.uint16, seed=2),
        random_photo(8, 9, seed=3),
        random_photo(8, 9, seed=4),
    ]
    with Upscaler(tiny_model, batch_size=2, threads=1) as upscaler:
        assert upscaler.batch_size == 2
        together = upscaler.upscale_batch(photos)
        for photo, larger in zip(photos, together, strict=True):
            np.testing.assert_array_equal(larger, upscaler.upscale(photo))
        assert upscaler.upscale_batch([]) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_tiled_equals_untiled(upscaler, tiny_model, random_photo, batch_size, dtype):
    photo = random_photo(130, 97, dtype)
    with Upscaler(tiny_model, tile_px=32, batch_size=batch_size, threads=1) as tiled:
        np.testing.assert_array_equal(tiled.upscale(photo), upscaler.upscale(photo))


def test_tiles_smaller_than_the_context_are_refused(tmp_path, build_onnx, make_info):
    path = build_onnx(tmp_path / "wide.onnx", info=make_info(halo=40))
    with pytest.raises(UsageError, match="at least 81"):
        Upscaler(path, tile_px=64)


def test_sizes_are_padded_to_the_multiple(tmp_path, build_onnx, make_info, random_photo):
    path = build_onnx(tmp_path / "four.onnx", info=make_info(multiple=4, halo=2), unshuffle=4)
    with Upscaler(path, threads=1) as upscaler, Upscaler(path, threads=1, tile_px=32) as tiled:
        for size in ((1, 1), (4, 5), (67, 90)):
            photo = random_photo(*size)
            larger = upscaler.upscale(photo)
            assert larger.shape == (2 * size[0], 2 * size[1], 3)
            np.testing.assert_array_equal(tiled.upscale(photo), larger)


def test_closed_upscaler_says_so(tiny_model, random_photo):
    upscaler = Upscaler(tiny_model, threads=1)
    upscaler.close()
    with pytest.raises(ValueError, match="closed"):
        upscaler.upscale(random_photo(4, 4))


class ShortOfMemory:
    """Stands in for a session that cannot hold more than `limit` pixels."""

    def __init__(self, engine: Engine, limit: int) -> None:
        self.session, self.limit, self.runs = engine.session, limit, []

    def run(self, outputs, feeds, options):
        (pixels,) = feeds.values()
        self.runs.append(pixels.shape)
        if pixels.shape[0] * pixels.shape[1] * pixels.shape[2] > self.limit:
            raise RuntimeError(
                "Non-zero status code: Failed to allocate memory for requested buffer of size 9"
            )
        return self.session.run(outputs, feeds, options)


def short_of_memory(upscaler, limit):
    key = ("cpu", "uint8")
    engine = upscaler._network._engines[key]
    session = ShortOfMemory(engine, limit)
    upscaler._network._engines[key] = Engine(session, engine.run_options, engine.provider, engine.precision)
    return session


def test_a_lack_of_memory_halves_the_tile_and_is_remembered(tiny_model, upscaler, random_photo):
    photo = random_photo(100, 100)
    with Upscaler(tiny_model, threads=1) as small:
        session = short_of_memory(small, 60 * 60)
        np.testing.assert_array_equal(small.upscale(photo), upscaler.upscale(photo))
        assert session.runs[0] == (1, 100, 100, 3)
        session.runs.clear()
        small.upscale(photo)
        assert max(shape[1] for shape in session.runs) <= 50


def test_a_lack_of_memory_halves_the_batch_first(tiny_model, random_photo):
    photos = [random_photo(20, 20, seed=seed) for seed in range(4)]
    with Upscaler(tiny_model, batch_size=4, threads=1) as small:
        session = short_of_memory(small, 2 * 400)
        assert len(small.upscale_batch(photos)) == 4
        assert [shape[0] for shape in session.runs] == [4, 2, 2]
        assert small.batch_size == 2


def test_memory_that_never_suffices_is_a_typed_failure(tiny_model, random_photo):
    with Upscaler(tiny_model, threads=1) as small:
        short_of_memory(small, 0)
        with pytest.raises(UpscaleFailedError) as caught:
            small.upscale(random_photo(40, 40))
    assert caught.value.reason == "out-of-memory"


def test_output_of_another_size_is_refused(tmp_path, build_onnx, make_info, random_photo):
    path = build_onnx(tmp_path / "liar.onnx", info=make_info(scale=4))
    with Upscaler(path, threads=1) as upscaler, pytest.raises(UpscaleFailedError) as caught:
        upscaler.upscale(random_photo(8, 8))
    assert caught.value.reason == "wrong-output-size"


@pytest.mark.parametrize("gain", [0.0, 1.2, float("nan")])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_black_bright_and_undefined_output_is_refused(
    tmp_path, build_onnx, make_info, random_photo, gain, dtype
):
    path = build_onnx(tmp_path / "dark.onnx", info=make_info(), gain=gain)
    with Upscaler(path, threads=1) as upscaler, pytest.raises(UpscaleFailedError) as caught:
        upscaler.upscale(random_photo(16, 16, dtype))
    assert caught.value.reason == "implausible-output"


def test_implausible_output_of_a_device_is_done_again_on_the_cpu(tiny_model, upscaler, random_photo):
    class Black:
        def run(self, outputs, feeds, options):
            (pixels,) = feeds.values()
            return [np.zeros_like(nearest(pixels[0])[np.newaxis]), np.zeros(1, np.float32)]

    with Upscaler(tiny_model, threads=1) as broken:
        network = broken._network
        engine = network._engines.pop(("cpu", "uint8"))
        network.provider_key = "cuda"
        network._engines["cuda", "uint8"] = Engine(Black(), None, engine.provider, "fp16")
        photo = random_photo(16, 16)
        np.testing.assert_array_equal(broken.upscale(photo), upscaler.upscale(photo))


def test_fp16_on_the_cpu_is_refused_not_ignored(tiny_model):
    with pytest.raises(ProviderError, match="fp16"):
        Upscaler(tiny_model, provider="cpu", precision="fp16")
    with pytest.raises(ProviderError, match="bf16"):
        Upscaler(tiny_model, provider="cpu", precision="bf16")


def test_batches_of_none_are_refused(tiny_model):
    with pytest.raises(UsageError, match="at least 1"):
        Upscaler(tiny_model, batch_size=0)


def test_models_by_name(bundled):
    with Upscaler(threads=1) as upscaler:
        assert upscaler.info.name == "face-x2"


def test_a_normal_run_writes_nothing_to_stderr(tiny_model, foreign_model, random_photo, capfd):
    for model in (tiny_model, foreign_model):
        with Upscaler(model, threads=1) as upscaler:
            upscaler.upscale(random_photo(30, 30))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", sorted(catalogue.WEIGHTS.glob("*.onnx")), ids=lambda path: Path(path).stem)
def test_bundled_models_run(path, random_photo):
    with Upscaler(path, threads=1) as upscaler:
        photo = random_photo(33, 47)
        assert upscaler.upscale(photo).shape == (33 * upscaler.scale, 47 * upscaler.scale, 3)


def test_tiles_of_a_network_that_looks_at_the_whole_picture_are_never_silent(
    tmp_path, build_onnx, make_info, random_photo
):
    info = make_info(halo=None, whole_picture=True)
    path = build_onnx(tmp_path / "pools.onnx", info=info)
    small, large = random_photo(40, 50), random_photo(40, 150)
    with Upscaler(path, tile_px=96, threads=1) as tiled:
        tiled.upscale(small)
        with pytest.warns(TilingWarning, match="tiny-x2 looks at the whole picture, but 150x40 px"):
            assert tiled.upscale(large).shape == (80, 300, 3)
        with pytest.warns(TilingWarning):
            tiled.upscale_batch([small, large, small, large])
        assert tiled.approximated == (1, 3)
        tiled.upscale_batch([small])
        assert tiled.approximated == ()
    with Upscaler(path, threads=1) as whole:
        whole.upscale_batch([large])
        assert whole.approximated == ()
