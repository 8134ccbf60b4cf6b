"""The pipeline's own promises: everything comes out once, batches have one shape, memory is bounded."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facesr_cli.batch import inference
from facesr_cli.batch.existing import Recipe
from facesr_cli.batch.journal import Journal
from facesr_cli.batch.pipeline import Limits, Pipeline
from facesr_cli.batch.plan import Job
from facesr_cli.batch.stages import Writer, decode_stage
from facesr_cli.errors import UpscaleFailedError
from facesr_cli.photo.formats import FileFormat


class _Nearest:
    scale = 2
    repeated = ()
    approximated = ()
    provider = SimpleNamespace(actual="StandInProvider")

    def __init__(self, batch_size):
        self.batch_size = batch_size
        self.batches = []
        self.threads = set()

    def upscale_batch(self, images):
        self.threads.add(threading.get_ident())
        self.batches.append([image.shape for image in images])
        return [image.repeat(2, 0).repeat(2, 1) for image in images]


def _jobs(directory, sizes):
    jobs = []
    for index, (width, height) in enumerate(sizes):
        source = directory / f"{index}.png"
        Image.new("RGB", (width, height), (index, 0, 0)).save(source)
        destination = directory / "out" / f"{index}.png"
        jobs.append(
            Job(
                source=source, destination=destination, out_root=directory / "out", file_format=FileFormat.PNG
            )
        )
    return jobs


def _pipeline(directory, upscaler, limits, stopped=lambda: False):
    journal = Journal(directory / "out")
    writer = Writer(
        recipe=Recipe(model="m", settings="s"),
        journals={directory / "out": journal},
        quality=None,
        metadata="keep",
    )
    seen = []
    return (
        Pipeline(upscaler, writer, limits, stopped=stopped, finished=lambda job, _result: seen.append(job)),
        seen,
        journal,
    )


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=14),
    batch_size=st.integers(1, 4),
    workers=st.integers(1, 3),
    held_px=st.sampled_from([1, 20, 10**6]),
)
def test_everything_comes_out_once_in_batches_of_one_shape(
    tmp_path_factory, sizes, batch_size, workers, held_px
):
    directory = tmp_path_factory.mktemp("pipeline")
    jobs = _jobs(directory, sizes)
    upscaler = _Nearest(batch_size)
    limits = Limits(workers=workers, batch_size=batch_size, held_px=held_px)
    pipeline, seen, journal = _pipeline(directory, upscaler, limits)

    results = pipeline.run(jobs)
    journal.close()

    assert set(results) == set(jobs) and len(seen) == len(jobs)
    assert all(result.status == "done" for result in results.values())
    assert all(len(set(batch)) == 1 and len(batch) <= batch_size for batch in upscaler.batches)
    assert len(upscaler.threads) <= 1, "one thread runs the network"
    for index, (job, (width, height)) in enumerate(zip(jobs, sizes, strict=True)):
        with Image.open(job.destination) as image:
            assert image.size == (2 * width, 2 * height)
            assert image.getpixel((0, 0))[0] == index, "no photograph is exchanged for another"


def test_full_batches_are_used_where_shapes_alternate(tmp_path):
    upscaler = _Nearest(2)
    limits = Limits(workers=1, batch_size=2)
    pipeline, _, journal = _pipeline(tmp_path, upscaler, limits)
    pipeline.run(_jobs(tmp_path, [(2, 3), (3, 2)] * 4))
    journal.close()
    assert [len(batch) for batch in upscaler.batches] == [2, 2, 2, 2]


def test_large_photographs_are_never_decoded_beside_others(tmp_path, monkeypatch):
    """Small ones first: what is known of them must not let many large ones in at once."""
    held, most = [], 0

    def decode(job):
        nonlocal most
        decoded = decode_stage(job)
        held.append(decoded.photo.width * decoded.photo.height)
        most = max(most, sum(held))
        return decoded

    monkeypatch.setattr("facesr_cli.batch.pipeline.decode_stage", decode)
    limits = Limits(workers=4, batch_size=1, held_px=1000)
    pipeline, _, journal = _pipeline(tmp_path, _Nearest(1), limits)
    finish = pipeline._finished
    pipeline._finished = lambda job, result: (held.remove(_area(result)), finish(job, result))
    jobs = _jobs(tmp_path, [(2, 2)] * 6 + [(30, 30)] * 6 + [(40, 40)] + [(2, 2)] * 6)
    assert len(pipeline.run(jobs)) == 19
    journal.close()
    assert most <= 1600, "the one that is too large for the limit goes alone"


def test_a_slow_network_bounds_what_is_decoded_ahead_of_it(tmp_path, monkeypatch):
    """Tiny photographs never reach the limit in pixels; their metadata would fill the memory all the same."""
    lock, held, most = threading.Lock(), 0, 0

    def decode(job):
        nonlocal held, most
        decoded = decode_stage(job)
        with lock:
            held += 1
            most = max(most, held)
        return decoded

    class Slow(_Nearest):
        def upscale_batch(self, images):
            time.sleep(0.01)
            return super().upscale_batch(images)

    def finished(_job, _result):
        nonlocal held
        with lock:
            held -= 1

    monkeypatch.setattr("facesr_cli.batch.pipeline.decode_stage", decode)
    limits = Limits(workers=2, batch_size=2)
    pipeline, _, journal = _pipeline(tmp_path, Slow(2), limits)
    pipeline._finished = finished
    pipeline.run(_jobs(tmp_path, [(1 + index % 3, 2) for index in range(120)]))
    journal.close()
    assert most <= limits.waiting + limits.decoding + limits.encoding + limits.batch_size


def _area(result):
    return result.input_size[0] * result.input_size[1]


def test_stopped_before_the_start_does_nothing(tmp_path):
    upscaler = _Nearest(2)
    limits = Limits(workers=1, batch_size=2)
    pipeline, seen, journal = _pipeline(tmp_path, upscaler, limits, stopped=lambda: True)
    assert pipeline.run(_jobs(tmp_path, [(1, 1)] * 3)) == {}
    journal.close()
    assert seen == [] and not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["number", "dtype"])
def test_results_that_cannot_belong_to_the_batch_are_refused(wrong):
    upscaler = _Nearest(2)
    real = upscaler.upscale_batch

    def upscale_batch(images):
        larger = real(images)
        return larger[:-1] if wrong == "number" else [image.astype(np.float32) for image in larger]

    upscaler.upscale_batch = upscale_batch
    results = inference.upscale_each(upscaler, [np.zeros((2, 2, 3), np.uint8)] * 2)
    assert len(results) == 2
    assert all(isinstance(result, UpscaleFailedError) for result in results)
