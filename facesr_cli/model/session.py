"""Opens a network on a provider and proves that it runs there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from facesr_cli.errors import ModelError, ProviderError
from facesr_cli.model.binding import BoundSession
from facesr_cli.model.engine import Engine
from facesr_cli.model.hardware import usable_cpus
from facesr_cli.model.libraries import missing_library, preload_cuda, preload_tensorrt
from facesr_cli.model.provider_options import building_notice, partner_options, provider_options
from facesr_cli.model.providers import (
    PROVIDERS,
    Provider,
    available,
    choose_precision,
    cuda_requirement,
    installed_wheels,
    openvino_device,
    remedy_for,
    require_onnxruntime,
    wheel_conflict,
)
from facesr_cli.model.split import SplitSession, split
from facesr_cli.model.tuning import Tuning

Pixels = NDArray[Any]
"""RGB pixels, uint8 or uint16, full range; the layout is stated where the name is used."""

_RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"
_HEAVY = ("Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "MatMul", "Gemm")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSource:
    """What a session is made from."""

    build: Callable[[str], bytes]
    """Takes `fp32` or `fp16` (the precision of the graph itself) and gives a serialised ONNX graph."""
    name: str
    """File name, for messages."""
    digest: str
    pixel_type: str = "uint8"
    """`uint8` or `uint16`: what the graph takes and gives."""
    sample: tuple[int, int, int] = (1, 128, 128)
    """(N, H, W) of a small picture that the network takes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The arguments of `choosing.open_engine` that hold for whichever provider."""

    device: int
    precision: str
    threads: int | None
    tuning: Tuning
    tell: Callable[[str], object]


def open_on(provider: Provider, source: NetworkSource, terms: Terms) -> Engine:
    """Open `source` on exactly `provider`; errors as in `choosing.open_engine`."""
    device, precision, tuning = terms.device, terms.precision, terms.tuning
    onnxruntime = require_onnxruntime()
    if provider.key not in available():
        raise ProviderError(_not_offered(provider))
    where = openvino_device(device) if provider.key == "openvino" else ""
    resolved = choose_precision(provider, precision, where)
    notes = ""
    if provider.key in ("cuda", "tensorrt"):
        notes = preload_cuda()
        if provider.key == "tensorrt":
            preload_tensorrt()
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
        provider,
        device=device,
        precision=resolved,
        cache_key=source.digest,
        pixel_type=source.pixel_type,
        tuning=tuning,
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
    tail: Any = None
    try:
        session = onnxruntime.InferenceSession(graph_bytes, options, providers=listed, enable_fallback=0)
        if tail_bytes:
            tail = _open_tail(tail_bytes, options.intra_op_num_threads)
    # onnxruntime's exceptions share no base class; a session that does not open is one typed error.
    except Exception as error:
        fault = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        if provider.key == "cpu":
            raise ModelError(f"{source.name}: onnxruntime cannot load it: {fault}") from error
        raise ProviderError(_not_started(provider, " ".join([fault, *notes.splitlines()]))) from error
    session.disable_fallback()
    _verify(session, provider)
    if tail is not None:
        session = SplitSession(session, tail)
    run_options = onnxruntime.RunOptions()
    # Only now that the provider is proven: what is left to say at each run are notes on speed.
    run_options.log_severity_level = 3
    bound = None
    if tuning.binds(provider.key) and tail is None:
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
