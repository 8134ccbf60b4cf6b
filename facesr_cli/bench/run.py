"""One benchmark, photograph by photograph, so that memory does not grow with the folder."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facesr_cli import __version__
from facesr_cli.bench.baselines import REFERENCE_BASELINE
from facesr_cli.bench.contestants import (
    Contestant,
    OpenUpscaler,
    baseline_contestants,
    common_scale,
    model_contestants,
)
from facesr_cli.bench.degradations import real_parameters
from facesr_cli.bench.environment import describe_environment
from facesr_cli.bench.ground_truth import low_resolution, read_ground_truth
from facesr_cli.bench.niqe import niqe
from facesr_cli.bench.pairs import Sample
from facesr_cli.bench.progress import Progress, Steps
from facesr_cli.bench.protocol import describe_protocol
from facesr_cli.bench.result import BenchResult, Failure, ImageScore, Picture, mean_row
from facesr_cli.bench.scores import score_results
from facesr_cli.bench.settings import BenchSettings
from facesr_cli.bench.showcase import draw, pick
from facesr_cli.bench.speed import Speedometer
from facesr_cli.bench.throughput import SampleInputs, Throughput
from facesr_cli.errors import PhotoError
from facesr_cli.model.hardware import usable_cpus

_MAX_SCORE_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What every step needs to know."""

    settings: BenchSettings
    samples: tuple[Sample, ...]
    contestants: tuple[Contestant, ...]
    scale: int
    steps: Steps


def run_bench(settings: BenchSettings, *, open_upscaler: OpenUpscaler, progress: Progress) -> BenchResult:
    """Measure every model and baseline on every photograph.

    A photograph that cannot be read or that a model fails on is left out of all rows, so that rows stay
    comparable, and is listed in `failures`.

    Args:
        settings: What to measure.
        open_upscaler: Opens one model; called once per model before anything is measured, and again for
            pipelines that have several sessions.
        progress: Called before each photograph, each throughput measurement and each set of pictures.

    Raises:
        UsageError: There are no photographs, they cannot be paired, or the models' scale does not fit.
        CapabilityError: A model or provider cannot be opened.
    """
    start_s = time.perf_counter()
    date = datetime.now(UTC).isoformat(timespec="seconds")
    samples = settings.samples()
    with contextlib.ExitStack() as stack:
        upscalers = [
            (requested, stack.enter_context(contextlib.closing(open_upscaler(requested))))
            for requested in dict.fromkeys(settings.models)
        ]
        scale = common_scale(upscalers, pairs_given=settings.low_dir is not None)
        models = model_contestants(upscalers)
        contestants = (*baseline_contestants(scale), *models)
        steps = Steps(
            progress,
            len(samples) + settings.throughput * len(contestants) + settings.pictures * len(models),
        )
        plan = _Plan(
            settings=settings, samples=tuple(samples), contestants=contestants, scale=scale, steps=steps
        )
        inputs = SampleInputs(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facesr-bench-"))))
        scores, failures = _measure_quality(plan, inputs)
        throughput = _measure_throughput(
            plan, inputs, failures, Speedometer(device=settings.device, open_upscaler=open_upscaler)
        )
        pictures = _draw_pictures(plan, scores, failures)
        steps.finish()
    measured = dict.fromkeys(image.file for image in scores)
    speeds = {name: figures.images_per_s for name, figures in throughput.items()}
    return BenchResult(
        version=__version__,
        date=date,
        elapsed_s=time.perf_counter() - start_s,
        protocol=describe_protocol(
            source=settings.source,
            photographs=len(measured),
            limit=settings.limit,
            degradations=settings.conditions,
            preparation=settings.preparation,
            scale=scale,
            throughput=bool(throughput),
        ),
        environment=describe_environment(),
        models=tuple(model.used for model in models if model.used is not None),
        rows=tuple(
            mean_row(
                scores,
                model=contestant.name,
                degradation=degradation,
                images_per_s=speeds.get(contestant.name),
            )
            for degradation in settings.conditions
            for contestant in contestants
            if measured
        ),
        images=tuple(scores),
        failures=tuple(failures),
        selected=len(samples),
        measured=len(measured),
        throughput=throughput,
        real_parameters={
            sample.file: real_parameters(sample.high.name)
            for sample in samples
            if sample.file in measured and "real" in settings.conditions
        },
        pictures=tuple(pictures),
    )


def _measure_quality(plan: _Plan, inputs: SampleInputs) -> tuple[list[ImageScore], list[Failure]]:
    scores: list[ImageScore] = []
    failures: list[Failure] = []
    threads = plan.settings.score_threads or min(usable_cpus(), _MAX_SCORE_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        for sample in plan.samples:
            plan.steps.begin(sample.file)
            try:
                scores += _score_sample(plan, sample, inputs, pool)
            except PhotoError as error:
                failures.append(_failure(sample.file, error))
    return scores, failures


def _score_sample(
    plan: _Plan, sample: Sample, inputs: SampleInputs, pool: ThreadPoolExecutor
) -> list[ImageScore]:
    """Return the scores of one photograph under all degradations; raising, it contributes to no row."""
    found: list[ImageScore] = []
    truth = read_ground_truth(sample, plan.settings.preparation)
    niqe_original = niqe(truth)
    for degradation in plan.settings.conditions:
        low = low_resolution(sample, truth, degradation, scale=plan.scale)
        found += score_results(
            {contestant.name: contestant.enlarge(low) for contestant in plan.contestants},
            file=sample.file,
            degradation=degradation,
            original=truth,
            low=low,
            border=plan.scale,
            niqe_original=niqe_original,
            each=pool.map,
        )
        if degradation == plan.settings.conditions[0]:
            inputs.offer(low)
    return found


def _measure_throughput(
    plan: _Plan, inputs: SampleInputs, failures: list[Failure], speedometer: Speedometer
) -> dict[str, Throughput]:
    throughput: dict[str, Throughput] = {}
    if not plan.settings.throughput or not inputs.files:
        return throughput
    for contestant in plan.contestants:
        step = f"throughput of {contestant.name}"
        plan.steps.begin(step)
        try:
            throughput[contestant.name] = speedometer.measure(contestant, inputs.files)
        except PhotoError as error:
            failures.append(_failure(step, error))
    return throughput


def _draw_pictures(plan: _Plan, scores: Sequence[ImageScore], failures: list[Failure]) -> list[Picture]:
    pictures: list[Picture] = []
    if not plan.settings.pictures:
        return pictures
    by_file = {sample.file: sample for sample in plan.samples}
    bicubic = next(row for row in plan.contestants if row.name == REFERENCE_BASELINE)
    for model in plan.contestants:
        if model.used is None:
            continue
        plan.steps.begin(f"pictures of {model.name}")
        for degradation in plan.settings.conditions:
            for shown in pick(scores, model=model.name, degradation=degradation):
                try:
                    picture = draw(
                        shown,
                        by_file[shown.score.file],
                        preparation=plan.settings.preparation,
                        scale=plan.scale,
                        model=model,
                        bicubic=bicubic,
                    )
                except PhotoError as error:
                    failures.append(_failure(f"picture of {shown.score.file}", error))
                else:
                    pictures.append(picture)
    return pictures


def _failure(file: str, error: PhotoError) -> Failure:
    return Failure(file=file, reason=error.reason, message=str(error))
