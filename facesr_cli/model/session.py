"""Opens a network on a provider and proves that it runs there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from facesr_cli.errors import ModelError, ProviderError
from facesr_cli.model.binding import BoundSession
from facesr_cli.model.engine import Engine
from facesr_cli.model.hardware import usable_cpus
from facesr_cli.model.provider_options import building_notice, partner_options, provider_options
from facesr_cli.model.providers import (
    AUTO_ORDER,
    PROVIDERS,
    Provider,
    available,
    choose_precision,
    cuda_requirement,
    device_text,
    installed_wheels,
    missing_library,
    openvino_device,
    preload_cuda,
    remedy_for,
    require_onnxruntime,
    wheel_conflict,
)
from facesr_cli.model.quality import LEAST_AGREEMENT_DB, agreement_db
from facesr_cli.model.split import SplitSession, split
from facesr_cli.model.tuning import Tuning

_DEFAULT = Tuning()


def _silent(_sentence: str) -> None:
    """Tell nobody."""


Pixels = NDArray[Any]
"""RGB pixels, uint8 or uint16, full range; the layout is stated where the name is used."""

_RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"
_HEAVY = ("Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "MatMul", "Gemm")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSource:
    """What a session is made from."""

    build: Callable[[str], bytes]
    """Takes `fp32` or `fp16` (the precision of the graph itself) and gives a serialised ONNX graph."""
    name: str
    """File name, for messages."""
    digest: str
    sample: tuple[int, int, int] = (1, 128, 128)
    """(N, H, W) of a small picture that the network takes."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """The arguments of `open_engine` that hold for whichever provider."""

    device: int
    precision: str
    threads: int | None
    tuning: Tuning
    tell: Callable[[str], object]


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
    terms = _Terms(device, precision, threads, tuning, tell)
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
        choice = _choice(engine, requested, device, _why(key, faults) + note)
        return engine, replace(choice, warning=" ".join(faults))
    raise ProviderError(" ".join(faults) or "This onnxruntime offers no provider that facesr-cli knows.")


def _open_keeping_quality(provider: Provider, source: NetworkSource, terms: _Terms) -> tuple[Engine, str]:
    """Open `source`; where `auto` means bf16, only if its picture is that of fp32, and say which it was."""
    engine = open_on(provider, source, terms)
    if terms.precision != "auto" or engine.precision != "bf16":
        return engine, ""
    reference = open_on(PROVIDERS["cpu"], source, replace(terms, precision="fp32"))
    agreement = agreement_db(engine, reference, source.sample)
    if agreement >= LEAST_AGREEMENT_DB:
        return engine, f"; bf16, as this processor has AMX and the picture is fp32's ({agreement:.0f} dB)"
    engine = open_on(provider, source, replace(terms, precision="fp32"))
    return engine, (
        f"; fp32, as bf16 would change the picture ({agreement:.0f} dB from fp32's, "
        f"{LEAST_AGREEMENT_DB:.0f} are asked for)"
    )


def open_on(provider: Provider, source: NetworkSource, terms: _Terms) -> Engine:
    """Open `source` on exactly `provider`; errors as in `open_engine`."""
    device, precision, tuning = terms.device, terms.precision, terms.tuning
    onnxruntime = require_onnxruntime()
    if provider.key not in available():
        raise ProviderError(_not_offered(provider))
    where = openvino_device(device) if provider.key == "openvino" else ""
    resolved = choose_precision(provider, precision, where)
    notes = ""
    if provider.key in ("cuda", "tensorrt"):
        notes = preload_cuda()
        library = missing_library(provider)
        if library is not None:
            raise ProviderError(_not_started(provider, f"{library} is missing"))

    options = onnxruntime.SessionOptions()
    # An explicit number also keeps onnxruntime from pinning threads to CPUs it may not have in a container.
    options.intra_op_num_threads = terms.threads or usable_cpus()
    if not tuning.spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry(_RECORD_ASSIGNMENT, "1")
    if provider.key == "directml":  # as its documentation demands
        options.enable_mem_pattern = False
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    own = provider_options(
        provider, device=device, precision=resolved, cache_key=source.digest, tuning=tuning
    )
    if provider.key == "tensorrt" and (notice := building_notice(Path(own["trt_engine_cache_path"]))):
        terms.tell(notice)
    listed = [
        (provider.ort_name, own),
        *((name, partner_options(name, device=device, precision=resolved)) for name in provider.partners),
    ]
    # TensorRT and OpenVINO lower the precision themselves; the others are given a float16 graph.
    in_graph = resolved == "fp16" and provider.key in ("cuda", "directml")
    graph_bytes = source.build("fp16" if in_graph else "fp32")
    tail_bytes = b""
    if provider.key == "openvino" and resolved == "bf16":
        graph_bytes, tail_bytes = _split(graph_bytes)
    session: Any
    try:
        session = onnxruntime.InferenceSession(graph_bytes, options, providers=listed, enable_fallback=0)
    # onnxruntime's exceptions share no base class; a session that does not open is one typed error.
    except Exception as error:
        fault = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        if provider.key == "cpu":
            raise ModelError(f"{source.name}: onnxruntime cannot load it: {fault}") from error
        raise ProviderError(_not_started(provider, " ".join([fault, *notes.splitlines()]))) from error
    session.disable_fallback()
    _verify(session, provider)
    if tail_bytes:
        session = SplitSession(session, _open_tail(tail_bytes, options.intra_op_num_threads))
    run_options = onnxruntime.RunOptions()
    # Only now that the provider is proven: what is left to say at each run are notes on speed.
    run_options.log_severity_level = 3
    bound = None
    if tuning.binds(provider.key):
        bound = BoundSession(
            session,
            onnxruntime,
            device_type="cuda" if provider.key in ("cuda", "tensorrt") else "cpu",
            device=device if provider.key in ("cuda", "tensorrt") else 0,
            graphs=provider.key == "cuda" and tuning.cuda_graphs,
        )
    return Engine(session, run_options, provider, resolved, bound)


def _split(graph_bytes: bytes) -> tuple[bytes, bytes]:
    """The graph of the convolutions and that of the rest; the whole graph and nothing where it has none."""
    parts = split(onnx.load_model_from_string(graph_bytes))
    if parts is None:
        return graph_bytes, b""
    body, tail = parts
    return bytes(body.SerializeToString()), bytes(tail.SerializeToString())


def _open_tail(graph_bytes: bytes, threads: int) -> Any:
    """The float32 session of what follows a body in a lower precision, on the CPU."""
    onnxruntime = require_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait in a loop would take the cores from the body, which has threads of its own.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph_bytes, options, providers=[PROVIDERS["cpu"].ort_name])


def _verify(session: Any, provider: Provider) -> None:
    """Raise where `session` carries on without `provider`, or leaves the heavy work to the CPU."""
    actual = session.get_providers()
    if not actual or actual[0] != provider.ort_name:
        raise ProviderError(
            _not_started(
                provider, f"onnxruntime would run on {', '.join(actual)} instead; its message is above"
            )
        )
    if not hasattr(session, "get_provider_graph_assignment_info"):  # onnxruntime before 1.24
        return
    allowed = (provider.ort_name, *provider.partners)
    heavy: dict[str, int] = {}
    for part in session.get_provider_graph_assignment_info():
        count = sum(node.op_type in _HEAVY for node in part.get_nodes())
        heavy[part.ep_name] = heavy.get(part.ep_name, 0) + count
    elsewhere = sum(count for name, count in heavy.items() if name not in allowed)
    total = sum(heavy.values())
    # Some nodes of foreign networks may be left to the CPU; most of the convolutions may not.
    if elsewhere * 2 > total:
        raise ProviderError(
            _not_started(provider, f"{elsewhere} of {total} convolutions and products would run on the CPU")
        )


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


def _not_offered(provider: Provider) -> str:
    wheels = (
        ", ".join(f"{name} {version}" for name, version in installed_wheels().items()) or "this onnxruntime"
    )
    conflict = wheel_conflict()
    return (
        f"{provider.title} is not available: {wheels} has no {provider.ort_name} (it has "
        f"{', '.join(available())}). {conflict or 'Remedy: ' + remedy_for(provider) + '.'}"
    )


def _not_started(provider: Provider, fault: str) -> str:
    needs = ""
    if provider.key in ("cuda", "tensorrt"):
        needs = f" It needs an NVIDIA driver, {cuda_requirement()}"
        needs += " and TensorRT 10." if provider.key == "tensorrt" else "."
    return f"{provider.title} did not start: {fault.rstrip('.')}.{needs} Remedy: {remedy_for(provider)}."
