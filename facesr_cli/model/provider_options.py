"""What onnxruntime is told about each execution provider."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

from facesr_cli.cache import cache_folder
from facesr_cli.errors import ProviderError
from facesr_cli.model import cuda_driver
from facesr_cli.model.providers import Provider, installed_wheels, openvino_device
from facesr_cli.model.tuning import Tuning

_DEFAULT = Tuning()


def provider_options(
    provider: Provider,
    *,
    device: int,
    precision: str,
    cache_key: str,
    pixel_type: str = "uint8",
    tuning: Tuning = _DEFAULT,
) -> dict[str, str]:
    """Options of `provider` for onnxruntime.

    Args:
        provider: Which one.
        device: Which GPU.
        precision: What it computes in.
        cache_key: Tells compiled engines of different models apart.
        pixel_type: And those of graphs that take other pixels.
        tuning: How the device is driven.
    """
    if provider.key == "cuda":
        return _cuda_options(device, precision, tuning)
    if provider.key == "tensorrt":
        folder = engine_folder(device, precision, cache_key, pixel_type)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ProviderError(
                f"{folder}: TensorRT's engines cannot be kept there ({error.strerror or error}). Name "
                "another folder in the environment variable FACESR_CACHE, or choose --provider cuda."
            ) from error
        return {
            "device_id": str(device),
            "trt_fp16_enable": str(precision == "fp16"),
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": str(folder.parent),
            # Known to newer versions only, so it is passed only when it is asked for.
            **({"trt_bf16_enable": "True"} if precision == "bf16" else {}),
        }
    if provider.key == "openvino":
        name = openvino_device(device)
        # Said even for fp32: left alone, OpenVINO computes in bf16 on some CPUs and in fp16 on GPUs.
        hint = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}[precision]
        return {
            "device_type": name,
            "load_config": json.dumps({name.split(".")[0]: {"INFERENCE_PRECISION_HINT": hint}}),
        }
    return {"device_id": str(device)} if provider.key == "directml" else {}


def partner_options(partner: str, *, device: int, precision: str) -> dict[str, str]:
    """Options of a provider that helps another out (CUDA beside TensorRT)."""
    return _cuda_options(device, precision, _DEFAULT) if partner == "CUDAExecutionProvider" else {}


def engine_folder(device: int, precision: str, cache_key: str, pixel_type: str) -> Path:
    """Where TensorRT keeps engines of one graph; what they were timed with is kept in the folder above.

    onnxruntime names an engine's file by the names in its graph, which are the same for all types of pixels.
    Engines and timings are only good for the GPU, the driver and the versions that they were made with.
    """
    gpu = cuda_driver.describe(device)
    capability = "{}.{}".format(*gpu.capability) if gpu else "unknown"
    parts = [
        gpu.name if gpu else "gpu",
        # Equal GPUs of one process build at the same time, each into a folder of its own.
        *([f"number-{device}"] if device else []),
        f"sm-{capability}",
        f"driver-{gpu.driver if gpu else 'unknown'}",
        *(f"{name}-{version}" for name, version in installed_wheels().items()),
        f"tensorrt-{_tensorrt_version() or 'of-the-system'}",
    ]
    machine = re.sub(r"[^A-Za-z0-9.]+", "-", "_".join(parts))
    graph = f"{cache_key.removeprefix('sha256:')[:16]}-{precision}-{pixel_type}"
    return cache_folder() / "tensorrt" / machine / graph


def building_notice(folder: Path) -> str | None:
    """What to tell before a run that has to build engines first; None where some are kept already."""
    if any(folder.glob("*.engine")):
        return None
    return (
        "TensorRT builds an engine for this model and GPU, which takes minutes the first time; it is kept in "
        f"{folder}."
    )


def _tensorrt_version() -> str | None:
    """Version of TensorRT as pip knows it; None where it came another way."""
    for name in ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _cuda_options(device: int, precision: str, tuning: Tuning) -> dict[str, str]:
    return {
        "device_id": str(device),
        # The default tries every algorithm for each new size of picture, which stalls folders of mixed sizes.
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        # TF32 has the mantissa of fp16; who asks for fp32 gets fp32.
        "use_tf32": "0" if precision == "fp32" else "1",
        # Known to newer versions only, so they are passed only when they are asked for.
        **({"prefer_nhwc": "1"} if tuning.nhwc else {}),
        **({"enable_cuda_graph": "1"} if tuning.cuda_graphs else {}),
    }
