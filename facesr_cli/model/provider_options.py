"""What onnxruntime is told about each execution provider."""

from __future__ import annotations

import json

from facesr_cli.cache import cache_folder
from facesr_cli.model.providers import Provider, openvino_device


def provider_options(provider: Provider, *, device: int, precision: str, cache_key: str) -> dict[str, str]:
    """Options of `provider` for onnxruntime; `cache_key` tells compiled engines of different models apart."""
    if provider.key == "cuda":
        return _cuda_options(device, precision)
    if provider.key == "tensorrt":
        folder = cache_folder() / "tensorrt" / cache_key.removeprefix("sha256:")[:16]
        folder.mkdir(parents=True, exist_ok=True)
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
    return _cuda_options(device, precision) if partner == "CUDAExecutionProvider" else {}


def _cuda_options(device: int, precision: str) -> dict[str, str]:
    return {
        "device_id": str(device),
        # The default tries every algorithm for each new size of picture, which stalls folders of mixed sizes.
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        # TF32 has the mantissa of fp16; who asks for fp32 gets fp32.
        "use_tf32": "0" if precision == "fp32" else "1",
    }
