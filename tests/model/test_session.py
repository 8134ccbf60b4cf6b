"""Opening a network: what was asked for, or an error that says what to do; never something else."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import onnxruntime
import pytest

from facesr_cli.errors import CapabilityError, MissingExtraError, ModelError, ProviderError
from facesr_cli.model import hardware, libraries, provider_options, providers, session
from facesr_cli.model.choosing import open_engine
from facesr_cli.model.providers import PROVIDERS
from facesr_cli.model.session import NetworkSource
from facesr_cli.model.tuning import Tuning
from facesr_cli.model.upscaler import Upscaler


def use_wheels(monkeypatch, **wheels):
    def version(name):
        if name.replace("-", "_") not in wheels:
            raise metadata.PackageNotFoundError(name)
        return wheels[name.replace("-", "_")]

    monkeypatch.setattr(providers.metadata, "version", version)


def offer(monkeypatch, *names):
    """Let onnxruntime claim to be built with these providers, which do not start here."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*names, "CPUExecutionProvider"])
    monkeypatch.setattr(session, "missing_library", lambda provider: None)


ABSENT = [
    key
    for key, provider in PROVIDERS.items()
    if provider.ort_name not in onnxruntime.get_available_providers()
]


@pytest.mark.parametrize("key", ABSENT)
def test_a_provider_that_is_not_there_is_an_error_with_a_remedy(tiny_model, key):
    with pytest.raises(ProviderError, match="is not available") as caught:
        Upscaler(tiny_model, provider=key)
    assert PROVIDERS[key].ort_name in str(caught.value)
    assert caught.value.exit_code == 3


def test_the_remedy_is_exact(tiny_model, monkeypatch):
    use_wheels(monkeypatch, onnxruntime="1.32.0")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ProviderError) as caught:
        Upscaler(tiny_model, provider="cuda")
    assert 'pip uninstall -y onnxruntime, then pip install "facesr-cli[gpu]"' in str(caught.value)


def test_unknown_providers_are_refused(tiny_model):
    with pytest.raises(ProviderError, match="no provider 'rocm'"):
        Upscaler(tiny_model, provider="rocm")


@pytest.mark.parametrize("key", ["cuda", "tensorrt"])
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_onnxruntime_falling_back_to_the_cpu_is_an_error(tiny_model, tmp_path, monkeypatch, key):
    # This onnxruntime drops the provider with a warning and runs on the CPU: the silent fallback itself.
    offer(monkeypatch, PROVIDERS[key].ort_name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said = []
    with pytest.raises(ProviderError, match="did not start") as caught:
        Upscaler(tiny_model, provider=key, precision="fp32", tell=said.append)
    assert ["minutes" in sentence for sentence in said] == ([True] if key == "tensorrt" else [])
    assert "CUDA" in str(caught.value) and "cuDNN" in str(caught.value)
    assert 'pip install "facesr-cli[gpu]"' in str(caught.value)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_auto_falls_through_and_says_why_in_one_line(tiny_model, monkeypatch, random_photo):
    offer(monkeypatch, "CUDAExecutionProvider")
    with Upscaler(tiny_model, threads=1) as upscaler:
        assert upscaler.provider.actual == "CPUExecutionProvider"
        assert upscaler.provider.precision == "fp32"
        assert "NVIDIA CUDA did not start" in upscaler.provider.reason
        assert "NVIDIA CUDA did not start" in upscaler.provider.warning
        assert "\n" not in upscaler.provider.reason


def test_a_missing_library_is_named_before_onnxruntime_tries(tiny_model, monkeypatch):
    offer(monkeypatch, "CUDAExecutionProvider")
    monkeypatch.setattr(session, "missing_library", lambda provider: "libcudnn.so.9")
    with pytest.raises(ProviderError, match=r"libcudnn\.so\.9 is missing"):
        Upscaler(tiny_model, provider="cuda")


def test_a_provider_that_leaves_the_work_to_the_cpu_is_an_error():
    def part(name, *operators):
        nodes = [SimpleNamespace(op_type=operator) for operator in operators]
        return SimpleNamespace(ep_name=name, get_nodes=lambda: nodes)

    def opened(*parts):
        return SimpleNamespace(
            get_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
            get_provider_graph_assignment_info=lambda: parts,
        )

    gpu, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
    session._verify(opened(part(gpu, "Conv", "Conv"), part(cpu, "Shape", "Conv")), PROVIDERS["cuda"])
    with pytest.raises(ProviderError, match="2 of 3"):
        session._verify(opened(part(gpu, "Conv"), part(cpu, "Conv", "Conv")), PROVIDERS["cuda"])


def test_auto_refuses_a_precision_that_nothing_here_has(tiny_model, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ProviderError, match="--provider cuda or tensorrt"):
        Upscaler(tiny_model, precision="fp16")


@pytest.mark.parametrize(
    ("key", "precision", "resolved"),
    [
        ("cpu", "auto", "fp32"),
        ("cuda", "auto", "fp16"),
        ("tensorrt", "auto", "fp16"),
        ("openvino", "auto", "fp32"),
        ("directml", "fp16", "fp16"),
        ("cuda", "bf16", None),
        ("coreml", "fp16", None),
    ],
)
def test_precisions(key, precision, resolved):
    if resolved is None:
        with pytest.raises(ProviderError):
            providers.choose_precision(PROVIDERS[key], precision, "")
    else:
        assert providers.choose_precision(PROVIDERS[key], precision, "") == resolved


def test_openvino_would_ignore_bf16_on_processors_without_it(monkeypatch):
    monkeypatch.setattr(providers, "cpu_flags", lambda: frozenset({"avx2"}))
    with pytest.raises(ProviderError, match="no bf16"):
        providers.choose_precision(PROVIDERS["openvino"], "bf16", "CPU")
    monkeypatch.setattr(providers, "cpu_flags", lambda: frozenset({"amx_bf16"}))
    assert providers.choose_precision(PROVIDERS["openvino"], "bf16", "CPU") == "bf16"


def test_no_onnxruntime_is_named_with_the_remedy(tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    use_wheels(monkeypatch)
    with pytest.raises(MissingExtraError, match=r"facesr-cli\[cpu\]") as caught:
        Upscaler(tiny_model)
    assert isinstance(caught.value, CapabilityError)


def test_two_onnxruntimes_are_named_with_the_remedy(tiny_model, monkeypatch):
    use_wheels(monkeypatch, onnxruntime="1.32.0", onnxruntime_gpu="1.31.1")
    conflict = providers.wheel_conflict()
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in conflict
    assert 'pip install "facesr-cli[gpu]"' in conflict
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ProviderError, match="overwrite each other"):
        Upscaler(tiny_model, provider="cuda")
    with Upscaler(tiny_model, threads=1) as upscaler:
        assert "overwrite each other" in upscaler.provider.reason


def test_a_network_the_cpu_cannot_load_is_a_model_error():
    source = NetworkSource(build=lambda precision: b"nonsense", name="odd.onnx", digest="")
    with pytest.raises(ModelError, match=r"odd\.onnx"):
        open_engine(source, requested="cpu", device=0, precision="auto", threads=1)


def test_options_of_the_gpu_providers(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))

    def options(key, precision, **tuning):
        return provider_options.provider_options(
            PROVIDERS[key], device=1, precision=precision, cache_key="sha256:00ff", tuning=Tuning(**tuning)
        )

    assert options("cuda", "fp32")["use_tf32"] == "0"
    assert options("cuda", "fp16")["device_id"] == "1"
    assert not {"prefer_nhwc", "enable_cuda_graph"} & options("cuda", "fp16").keys()
    assert options("cuda", "fp16", nhwc=True)["prefer_nhwc"] == "1"
    assert options("cuda", "fp16", cuda_graphs=True)["enable_cuda_graph"] == "1"
    tensorrt = options("tensorrt", "fp16")
    assert tensorrt["trt_fp16_enable"] == "True" and "trt_bf16_enable" not in tensorrt
    assert "00ff" in tensorrt["trt_engine_cache_path"]
    assert options("tensorrt", "bf16")["trt_bf16_enable"] == "True"
    assert options("cpu", "fp32") == {}


def test_hardware_has_names():
    assert hardware.cpu_name()
    assert hardware.usable_cpus() >= 1
    assert isinstance(hardware.nvidia_gpus(), tuple)


@pytest.mark.gpu
@pytest.mark.skipif("cuda" in ABSENT or not hardware.nvidia_gpus(), reason="no CUDA provider or no GPU")
def test_cuda_equals_the_cpu(tiny_model, random_photo):
    import numpy as np

    photo = random_photo(100, 90)
    with Upscaler(tiny_model, provider="cpu") as cpu, Upscaler(tiny_model, provider="cuda") as cuda:
        assert cuda.provider.actual == "CUDAExecutionProvider"
        assert np.abs(cuda.upscale(photo).astype(int) - cpu.upscale(photo)).max() <= 1


def test_networks_that_open_at_the_same_time_leave_stdout_alone(monkeypatch):
    """Each thread of a network opens what it lacks, e.g. for 16-bit photographs."""
    first_inside, first_may_go = threading.Event(), threading.Event()

    def preload_dlls():
        sys.stdout.write(threading.current_thread().name)
        if threading.current_thread().name == "first":
            first_inside.set()
            first_may_go.wait(0.5)
        else:
            first_may_go.set()
            time.sleep(0.2)  # the first one leaves in the meantime

    monkeypatch.setattr(onnxruntime, "preload_dlls", preload_dlls, raising=False)
    stdout = sys.stdout
    said = {}
    threads = [
        threading.Thread(target=lambda: said.update(first=libraries.preload_cuda()), name="first"),
        threading.Thread(target=lambda: said.update(second=libraries.preload_cuda()), name="second"),
    ]
    threads[0].start()
    first_inside.wait()
    threads[1].start()
    for thread in threads:
        thread.join()
    after, sys.stdout = sys.stdout, stdout
    assert after is stdout
    assert said == {"first": "first", "second": "second"}


def test_tensorrt_from_pip_is_loaded_before_the_plug_in_looks_for_it(monkeypatch, tmp_path):
    """In the folder of pip's package, the parser after the library that it needs; whatever fails is left."""
    folder = tmp_path / "tensorrt_libs"
    folder.mkdir()
    for name in ("__init__.py", "libnvonnxparser.so.10", "libnvinfer.so.10", "libnvinfer_plugin.so.10"):
        (folder / name).write_bytes(b"")
    loaded = []

    def load(path, mode):
        loaded.append(Path(path).name)
        raise OSError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(libraries.ctypes, "CDLL", load)
    libraries.preload_tensorrt()
    assert loaded == [], "it is not installed"
    monkeypatch.syspath_prepend(str(tmp_path))
    libraries.preload_tensorrt()
    assert loaded == ["libnvinfer.so.10", "libnvonnxparser.so.10"]


def test_the_remedy_names_a_tensorrt_that_onnxruntime_can_load(monkeypatch):
    use_wheels(monkeypatch, onnxruntime_gpu="1.31.1")
    monkeypatch.setattr(providers, "cuda_major", lambda: "13")
    assert providers.remedy_for(PROVIDERS["tensorrt"]) == (
        'pip install "facesr-cli[gpu]" "tensorrt-cu13>=10,<11"'
    )


def test_a_closed_network_keeps_no_session(tiny_model, random_photo):
    upscaler = Upscaler(tiny_model, provider="cpu")
    upscaler.upscale(random_photo(8, 8))
    network = upscaler._network
    (engine,) = network._engines.values()
    session_of = weakref.ref(engine.session)
    del engine
    network.close()
    gc.collect()
    assert session_of() is None
