"""A device meets a handful of shapes, and the picture is the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facesr_cli.errors import UpscaleFailedError
from facesr_cli.model import network, upscaler
from facesr_cli.model.shapes import MOST_KNOWN, ShapeBook
from facesr_cli.model.tiling import TileRule, cut, upscale_tiled
from facesr_cli.model.upscaler import Upscaler

RULE = TileRule(halo=3, multiple=2)


def natural(height, width, tile=64):
    return cut(height, tile, RULE), cut(width, tile, RULE)


def even(low, high):
    return st.integers(low // 2, high // 2).map(lambda half: 2 * half)


@settings(max_examples=60)
@given(sizes=st.lists(st.tuples(even(2, 160), even(2, 160)), min_size=1, max_size=12))
def test_however_it_is_cut_every_pixel_comes_out_once(sizes):
    book = ShapeBook(RULE)
    for height, width in sizes:
        rows, columns = book.settle(height, width, natural(height, width))
        assert (rows[0].read.size, columns[0].read.size) in book.known
        assert len({(row.read.size, column.read.size) for row in rows for column in columns}) == 1
        picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        copied = upscale_tiled(picture, rows, columns, scale=1, upscale=list)
        np.testing.assert_array_equal(copied, picture)
        assert all(cut_.read.start >= 0 for cut_ in (*rows, *columns))
        assert rows[-1].read.stop == height and columns[-1].read.stop == width


def test_a_folder_of_mixed_sizes_settles_on_a_few_shapes():
    book = ShapeBook(RULE)
    random = np.random.default_rng(1)
    for height, width in 2 * random.integers(20, 300, (200, 2)):
        book.settle(int(height), int(width), natural(int(height), int(width)))
    assert len(book.known) <= 3 * MOST_KNOWN
    assert all(min(shape) < 64 for shape in book.known[MOST_KNOWN:]), (
        "only what nothing known fits into adds a shape"
    )


def test_small_photographs_at_first_do_not_cut_the_large_ones_to_pieces():
    rule = TileRule(halo=28, multiple=2)
    book = ShapeBook(rule)

    def settled(height, width):
        tile = max(height, width) if height * width <= 2048**2 else 1024
        wanted = cut(height, tile, rule), cut(width, tile, rule)
        got = book.settle(height, width, wanted)
        read = [sum(piece.read.size for piece in cuts) for cuts in (*got, *wanted)]
        return read[0] * read[1] / (read[2] * read[3])

    for height, width in [(64, 64), (64, 96), (96, 64), (80, 80)]:
        assert settled(height, width) == 1
    random = np.random.default_rng(3)
    sizes = [(1024, 1024), (3000, 4000), *(2 * random.integers(40, 2000, (300, 2)))]
    assert max(settled(int(height), int(width)) for height, width in sizes) <= 4
    assert len(book.known) <= 10 * MOST_KNOWN


def test_equal_photographs_are_one_shape_and_whole():
    book = ShapeBook(RULE)
    for _ in range(3):
        rows, columns = book.settle(50, 60, natural(50, 60))
        assert len(rows) == len(columns) == 1
    assert book.known == ((50, 60),)


def test_shapes_that_no_longer_fit_into_memory_are_forgotten():
    book = ShapeBook(RULE)
    for size in (64, 32):
        book.settle(size, size, natural(size, size))
    book.forget(lambda _height, _width: 40)
    assert book.known == ((32, 32),)


@pytest.fixture
def few_shapes(monkeypatch):
    """Let the CPU be one of the devices that mind new shapes."""
    monkeypatch.setattr(upscaler, "PREFER_FEW", ("cpu",))
    monkeypatch.setattr(network, "PREFER_FEW", ("cpu",))


class Watched:
    """A session that notes the shapes it is given; more than `limit` pixels do not fit into its memory."""

    def __init__(self, session):
        self.session, self.shapes, self.limit = session, [], None

    def run(self, outputs, feeds, options):
        (pixels,) = feeds.values()
        self.shapes.append(pixels.shape)
        if self.limit is not None and pixels[..., 0].size > self.limit:
            raise RuntimeError("out of memory")
        return self.session.run(outputs, feeds, options)


def watch(opened):
    engine = opened._network._engines["cpu", "uint8"]
    watched = Watched(engine.session)
    opened._network._engines["cpu", "uint8"] = type(engine)(
        watched, engine.run_options, engine.provider, engine.precision
    )
    return watched


def test_few_shapes_change_no_byte(few_shapes, tiny_model, random_photo):
    sizes = np.random.default_rng(2).integers(40, 90, (25, 2))
    plain = Upscaler(tiny_model, provider="cpu", threads=1)
    plain._shapes = None
    with plain, Upscaler(tiny_model, provider="cpu", threads=1) as few:
        watched = watch(few)
        for index, (height, width) in enumerate(sizes):
            photo = random_photo(int(height), int(width), seed=index)
            np.testing.assert_array_equal(few.upscale(photo), plain.upscale(photo))
        assert len(set(watched.shapes)) < len({tuple(size) for size in sizes}) / 2


def test_the_rest_of_a_folder_is_filled_up_to_the_batch(few_shapes, tiny_model, random_photo):
    photos = [random_photo(20, 20, seed=seed) for seed in range(7)]
    with Upscaler(tiny_model, provider="cpu", batch_size=4, threads=1) as few:
        watched = watch(few)
        larger = few.upscale_batch(photos)
        assert [shape[0] for shape in watched.shapes] == [4, 4]
        assert len(larger) == 7
        np.testing.assert_array_equal(larger[6], few.upscale(photos[6]))


def test_a_batch_that_no_longer_fits_is_not_filled_up_again(few_shapes, tiny_model, random_photo):
    photos = [random_photo(20, 20, seed=seed) for seed in range(4)]
    with Upscaler(tiny_model, provider="cpu", batch_size=4, threads=1) as few:
        watched = watch(few)
        few.upscale_batch(photos)
        watched.limit = 2 * 400  # another program has taken the memory
        assert len(few.upscale_batch(photos)) == 4
        assert [shape[0] for shape in watched.shapes] == [4, 4, 2, 2]
        watched.limit = 0
        with pytest.raises(UpscaleFailedError):
            few.upscale_batch(photos)


def test_what_fits_alone_does_not_fail_because_it_was_filled_up(few_shapes, tiny_model, random_photo):
    photos = [random_photo(6, 6, seed=seed) for seed in range(4)]  # too small for any tile
    with Upscaler(tiny_model, provider="cpu", batch_size=4, threads=1) as few:
        watched = watch(few)
        expected = few.upscale_batch(photos)
        watched.limit = 2 * 36  # another program has taken the memory
        np.testing.assert_array_equal(few.upscale(photos[2]), expected[2])
        assert [shape[0] for shape in watched.shapes] == [4, 4, 1]
        assert few._budget.batch_for(6, 6) == 4, "nothing was learnt about batches that were not filled up"


def test_what_was_filled_up_is_not_kept(few_shapes, tiny_model, random_photo):
    photos = [random_photo(20, 20, seed=seed) for seed in range(4)]
    with Upscaler(tiny_model, provider="cpu", batch_size=4, threads=1) as few:
        few.upscale_batch(photos)
        (larger,) = few.upscale_batch(photos[:1])
        owner = larger if larger.base is None else larger.base
        assert owner.nbytes == larger.nbytes
