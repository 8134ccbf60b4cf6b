"""Chooses provider and precision for a network: what was asked for, or the fastest that keeps the picture."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from facesr_cli.errors import ModelError, ProviderError, UpscaleFailedError
from facesr_cli.model.engine import Engine
from facesr_cli.model.providers import (
    AUTO_ORDER,
    PROVIDERS,
    Provider,
    available,
    device_text,
    installed_wheels,
    openvino_device,
    remedy_for,
    wheel_conflict,
)
from facesr_cli.model.quality import LEAST_AGREEMENT_DB, agreement_db, sample_picture
from facesr_cli.model.session import NetworkSource, Terms, open_on
from facesr_cli.model.tuning import Tuning

_DEFAULT = Tuning()
_ROUNDS = 3
"""Timed runs of each of two providers, after one that is not counted."""
CLEARLY_FASTER = 1.1
"""How many times as fast the plain provider must be on a sample to be taken instead: near a tie the choice
would change from run to run."""

_UNTRIED = ("tensorrt",)
"""Providers whose lower precision is taken untried: an engine for the sample alone would take minutes."""


def _silent(_sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChoice:
    """Where a network runs, and why there."""

    requested: str
    """Word of the command line."""
    key: str
    """Key of `PROVIDERS` that it came to."""
    actual: str
    """onnxruntime's name, e.g. `CPUExecutionProvider`; it really is in the session."""
    device: str
    precision: str
    """`fp32`, `fp16` or `bf16`."""
    reason: str
    """One line for people: what was chosen, and why."""
    warning: str = ""
    """What `auto` had to pass over although it is installed; empty where nothing was."""


def open_engine(
    source: NetworkSource,
    *,
    requested: str,
    device: int,
    precision: str,
    threads: int | None,
    tuning: Tuning = _DEFAULT,
    tell: Callable[[str], object] = _silent,
) -> tuple[Engine, ProviderChoice]:
    """Open `source` on the provider `requested`, or for `auto` on the first of `AUTO_ORDER` that starts.

    Where that is OpenVINO on the processor itself, `auto` times the plain CPU provider beside it on a small
    picture, and takes the faster one.

    Args:
        source: The network.
        requested: A key of `PROVIDERS`, or `auto`.
        device: Which GPU, from 0; the CPU has no number.
        precision: `auto`, `fp32`, `fp16` or `bf16`.
        threads: Threads that work on one picture on a CPU; None: as many as this process may use.
        tuning: How the device is driven.
        tell: Takes a sentence for people, before something that takes minutes.

    Raises:
        ProviderError: What was asked for is not installed, does not start, or would run elsewhere.
        ModelError: The CPU cannot load the network, which no other provider will mend.
    """
    terms = Terms(device, precision, threads, tuning, tell)
    if requested != "auto":
        provider = PROVIDERS.get(requested)
        if provider is None:
            raise ProviderError(f"There is no provider {requested!r}; choose auto, {', '.join(PROVIDERS)}.")
        engine, note = _open_keeping_quality(provider, source, terms)
        return engine, _choice(engine, requested, device, "as asked for" + note)

    offered = available()
    faults: list[str] = []
    for key in (key for key in AUTO_ORDER if key in offered):
        try:
            engine, note = _open_keeping_quality(PROVIDERS[key], source, terms)
        except ProviderError as error:
            faults.append(str(error))
            continue
        if _rivals_the_cpu(engine, terms):
            engine, beside = _faster(engine, source, terms)
            note = note + beside if engine.provider.key == key else beside
        why = _why(engine.provider.key, faults if engine.provider.key == key else [])
        choice = _choice(engine, requested, device, why + note)
        return engine, replace(choice, warning=" ".join(faults))
    raise ProviderError(" ".join(faults) or "This onnxruntime offers no provider that facesr-cli knows.")


def _open_keeping_quality(provider: Provider, source: NetworkSource, terms: Terms) -> tuple[Engine, str]:
    """Open `source`; where `auto` lowers the precision, only if the picture is fp32's, and say which it is.

    Returns:
        The engine, and what is to be said of its precision; nothing where it was asked for or is fp32 anyway.

    Raises:
        ProviderError: As `open_on`; or it opens, but fails on a picture that the CPU can do.
    """
    engine = open_on(provider, source, terms)
    if terms.precision != "auto" or engine.precision == "fp32" or provider.key in _UNTRIED:
        return engine, ""
    reference = open_on(PROVIDERS["cpu"], source, replace(terms, precision="fp32"))
    agreement = agreement_db(engine, reference, source.sample)
    if agreement >= LEAST_AGREEMENT_DB:
        why = " as this processor computes in it and" if engine.precision == "bf16" else " as"
        return engine, f"; {engine.precision},{why} the picture is fp32's ({agreement:.0f} dB)"
    low = engine.precision
    engine = open_on(provider, source, replace(terms, precision="fp32"))
    if math.isinf(_seconds(engine, source.sample)) and math.isfinite(_seconds(reference, source.sample)):
        raise ProviderError(
            f"{provider.title} did not start: it fails on a small picture that the CPU can do, in {low} and "
            f"in fp32. Remedy: {remedy_for(provider)}."
        )
    if math.isinf(agreement):
        return engine, f"; fp32, as {low} fails on a sample picture"
    return engine, (
        f"; fp32, as {low} would change the picture ({agreement:.0f} dB from fp32's, "
        f"{LEAST_AGREEMENT_DB:.0f} are asked for)"
    )


def _rivals_the_cpu(engine: Engine, terms: Terms) -> bool:
    """Whether `engine` computes on the processor itself, in what the plain provider could do instead."""
    return (
        engine.provider.key == "openvino"
        and openvino_device(terms.device) == "CPU"
        and terms.precision in ("auto", *PROVIDERS["cpu"].precisions)
    )


def _faster(engine: Engine, source: NetworkSource, terms: Terms) -> tuple[Engine, str]:
    """`engine`, or the plain provider where that does a small picture clearly sooner, and why."""
    try:
        plain = open_on(PROVIDERS["cpu"], source, terms)
    except (ModelError, ProviderError):
        return engine, "; the plain CPU provider cannot load the network"
    times = _seconds(plain, source.sample) / _seconds(engine, source.sample)
    title = f"{engine.provider.title} in {engine.precision}"
    if math.isnan(times) or math.isinf(times):
        return engine, "; the plain CPU provider cannot do a sample"
    if times >= 1:
        return engine, f"; {times:.1f} times as fast as the plain CPU provider on a sample"
    if times * CLEARLY_FASTER >= 1:
        return engine, "; as fast as the plain CPU provider on a sample"
    if times == 0:
        return plain, f"; {title} cannot do a sample"
    return plain, f"; {1 / times:.1f} times as fast as {title} on a sample"


def _seconds(engine: Engine, shape: tuple[int, int, int]) -> float:
    """The least that `engine` takes for a small picture; infinite where it fails on it."""
    picture = sample_picture(*shape)
    taken_s = []
    try:
        for _ in range(1 + _ROUNDS):
            begun_s = time.perf_counter()
            engine.run(picture)
            taken_s.append(time.perf_counter() - begun_s)
    except UpscaleFailedError:
        return math.inf
    return max(min(taken_s[1:]), 1e-9)


def _choice(engine: Engine, requested: str, device: int, why: str) -> ProviderChoice:
    provider = engine.provider
    text = device_text(provider, device)
    return ProviderChoice(
        requested=requested,
        key=provider.key,
        actual=provider.ort_name,
        device=text,
        precision=engine.precision,
        reason=f"{provider.title} on {text}, {engine.precision}: {why}"
        if provider.key != "cpu"
        else f"CPU ({text}), {engine.precision}: {why}",
    )


def _why(key: str, faults: list[str]) -> str:
    if faults:
        return "first provider that starts. " + " ".join(faults)
    wheels = ", ".join(f"{name} {version}" for name, version in installed_wheels().items()) or "onnxruntime"
    if key != "cpu":
        return f"best provider of {wheels}"
    conflict = wheel_conflict()
    return f"{wheels} offers no GPU provider" + (f". {conflict}" if conflict else "")
