"""The execution providers of onnxruntime: our word for each, what it needs, and what is installed here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType

from facesr_cli.errors import MissingExtraError, ProviderError
from facesr_cli.model import cuda_driver
from facesr_cli.model.hardware import cpu_flags, cpu_name, nvidia_gpus

WHEELS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
"""Distributions that each bring a package `onnxruntime`, and overwrite each other's files."""

_INSTRUCTIONS = {
    "bf16": frozenset({"avx512_bf16", "amx_bf16"}),
    "fp16": frozenset({"avx512_fp16", "amx_fp16"}),
}
"""Any of these makes a processor compute in a precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One execution provider."""

    key: str
    """Word on the command line."""
    ort_name: str
    title: str
    wheel: str
    """The distribution of `WHEELS` that brings it."""
    install: str
    """What to install for it, as pip takes it; `{cuda}` is the CUDA that onnxruntime was built for."""
    precisions: tuple[str, ...] = ("fp32",)
    """What it can compute in; the first is what `auto` means."""
    partners: tuple[str, ...] = field(default=())
    """Providers that may take the nodes it leaves, in order; onnxruntime itself always adds the CPU last."""


PROVIDERS: Mapping[str, Provider] = {
    provider.key: provider
    for provider in (
        Provider(
            key="cpu",
            ort_name="CPUExecutionProvider",
            title="CPU",
            wheel="onnxruntime",
            install='"facesr-cli[cpu]"',
        ),
        Provider(
            key="cuda",
            ort_name="CUDAExecutionProvider",
            title="NVIDIA CUDA",
            wheel="onnxruntime-gpu",
            install='"facesr-cli[gpu]"',
            precisions=("fp16", "fp32"),
        ),
        Provider(
            key="tensorrt",
            ort_name="TensorrtExecutionProvider",
            title="NVIDIA TensorRT",
            wheel="onnxruntime-gpu",
            install='"facesr-cli[gpu]" "tensorrt-cu{cuda}>=10,<11"',
            precisions=("fp16", "fp32", "bf16"),
            partners=("CUDAExecutionProvider",),
        ),
        Provider(
            key="openvino",
            ort_name="OpenVINOExecutionProvider",
            title="Intel OpenVINO",
            wheel="onnxruntime-openvino",
            install='"facesr-cli[intel]"',
            precisions=("fp32", "fp16", "bf16"),
        ),
        Provider(
            key="coreml",
            ort_name="CoreMLExecutionProvider",
            title="Apple CoreML",
            wheel="onnxruntime",
            install='"facesr-cli[cpu]"',
        ),
        Provider(
            key="directml",
            ort_name="DmlExecutionProvider",
            title="Microsoft DirectML",
            wheel="onnxruntime-directml",
            install="onnxruntime-directml",
            precisions=("fp32", "fp16"),
        ),
    )
}

AUTO_ORDER = ("cuda", "directml", "openvino", "cpu")
"""What `auto` tries. TensorRT, which builds engines for minutes, and CoreML, which compiles for each size of
picture, run only when they are named."""


def installed_wheels() -> dict[str, str]:
    """Version of each distribution of `WHEELS` that is installed."""
    found = {}
    for name in WHEELS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def wheel_conflict() -> str | None:
    """The fault and its remedy where two distributions of onnxruntime overwrite each other; else None."""
    wheels = installed_wheels()
    if len(wheels) < 2:
        return None
    extra = "gpu" if "onnxruntime-gpu" in wheels else "intel" if "onnxruntime-openvino" in wheels else "cpu"
    return (
        f"{' and '.join(wheels)} are installed together and overwrite each other's files. Run: "
        f'pip uninstall -y {" ".join(wheels)}, then pip install "facesr-cli[{extra}]".'
    )


def remedy_for(provider: Provider) -> str:
    """The commands that bring `provider` into this installation, without leaving two onnxruntimes in it."""
    if provider.key == "coreml" and sys.platform != "darwin":
        return "CoreML exists on a Mac only"
    if provider.key == "directml" and sys.platform != "win32":
        return "DirectML exists on Windows only"
    others = [name for name in installed_wheels() if name != provider.wheel]
    uninstall = f"pip uninstall -y {' '.join(others)}, then " if others else ""
    return f"{uninstall}pip install {provider.install.format(cuda=cuda_major())}"


def require_onnxruntime() -> ModuleType:
    """Import onnxruntime.

    Raises:
        MissingExtraError: No distribution of onnxruntime is installed, or the installed one does not load.
    """
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        conflict = wheel_conflict()
        if conflict or installed_wheels():
            raise MissingExtraError(
                f"onnxruntime does not load ({error}). {conflict or 'Install it again.'}"
            ) from error
        raise MissingExtraError(
            'onnxruntime is not installed. Choose one: pip install "facesr-cli[cpu]", "facesr-cli[gpu]" '
            '(NVIDIA) or "facesr-cli[intel]".'
        ) from error


def available() -> tuple[str, ...]:
    """Keys of the providers that the installed onnxruntime was built with, whether or not they start."""
    names = require_onnxruntime().get_available_providers()
    return tuple(key for key, provider in PROVIDERS.items() if provider.ort_name in names)


def choose_precision(provider: Provider, requested: str, device: str) -> str:
    """Resolve `auto`, and refuse what `provider` on `device` would ignore without a word.

    `auto` is the provider's first precision; on OpenVINO bf16 where the processor computes in it,
    which `choosing.open_engine` then keeps only if the picture stays the same.

    Raises:
        ProviderError: That provider or device does not compute in `requested`.
    """
    if requested == "auto":
        multiplies_bf16 = bool(_INSTRUCTIONS["bf16"] & cpu_flags())
        in_bf16 = provider.key == "openvino" and device == "CPU" and multiplies_bf16
        return "bf16" if in_bf16 else provider.precisions[0]
    if requested not in provider.precisions:
        able = [other.key for other in PROVIDERS.values() if requested in other.precisions]
        raise ProviderError(
            f"{provider.title} does not compute in {requested} here; use --precision "
            f"{provider.precisions[0]}, or --provider {' or '.join(able)}."
        )
    ignores = provider.key == "openvino" and device == "CPU" and requested != "fp32"
    if ignores and not _INSTRUCTIONS[requested] & cpu_flags():
        # OpenVINO would take the hint and then compute in fp32.
        raise ProviderError(
            f"This processor ({cpu_name()}) has no {requested} arithmetic; use --precision fp32."
        )
    return requested


def openvino_device(device: int) -> str:
    """OpenVINO's name for `--device`: the n-th Intel GPU, or `CPU` where there is none.

    Raises:
        ProviderError: A GPU was asked for by a number that does not exist.
    """
    names = _openvino_names()
    gpus = [name for name in names if name.startswith("GPU")]
    if device < len(gpus):
        return str(gpus[device])
    if device == 0:
        return "CPU"
    raise ProviderError(f"OpenVINO has no GPU number {device}; it offers {', '.join(names)}.")


def _openvino_names() -> list[str]:
    binding = importlib.import_module("onnxruntime.capi._pybind_state")
    return list(getattr(binding, "get_available_openvino_device_ids", lambda: ["CPU"])())


def device_numbers(provider: Provider) -> range:
    """The devices of `provider` that `--device all` means; one where it has no number.

    Raises:
        ProviderError: Nothing tells how many there are.
    """
    if provider.key in ("cuda", "tensorrt"):
        number = cuda_driver.device_count()
        if not number:
            raise ProviderError(
                "The NVIDIA driver does not tell how many GPUs there are; name one with --device."
            )
        return range(number)
    if provider.key == "openvino":
        return range(max(1, sum(name.startswith("GPU") for name in _openvino_names())))
    if provider.key == "directml":
        raise ProviderError("DirectML does not tell how many GPUs there are; name one with --device.")
    return range(1)


def device_text(provider: Provider, device: int) -> str:
    """The device as a person names it."""
    if provider.key == "cpu" or provider.key == "coreml":
        return cpu_name()
    if provider.key == "openvino":
        name = openvino_device(device)
        return cpu_name() if name == "CPU" else f"Intel {name}"
    if provider.key in ("cuda", "tensorrt") and (gpu := cuda_driver.describe(device)) is not None:
        return f"GPU {device} ({gpu.name})"
    gpus = nvidia_gpus()
    # The kernel module counts all GPUs, CUDA only those it may see; so only a single one is named.
    return f"GPU {device} ({gpus[0]})" if len(gpus) == 1 and device == 0 else f"GPU {device}"


def cuda_requirement() -> str:
    """The CUDA and cuDNN that the installed onnxruntime was built for, as a phrase."""
    return f"CUDA {cuda_major()}.x and cuDNN 9.x"


def cuda_major() -> str:
    """Major version of the CUDA that the installed onnxruntime was built for; 12 where it does not tell."""
    try:
        built_for = importlib.import_module("onnxruntime.capi.build_and_package_info").cuda_version
    except (ImportError, AttributeError):
        built_for = ""
    return str(built_for).split(".")[0] or "12"
