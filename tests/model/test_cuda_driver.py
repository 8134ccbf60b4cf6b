"""What NVIDIA's driver says, with a stand-in for its library."""

from __future__ import annotations

import pytest

from facesr_cli.errors import ProviderError
from facesr_cli.model import cuda_driver, provider_options, providers
from facesr_cli.model.providers import PROVIDERS, device_numbers, device_text


class Driver:
    """Two GPUs, of which the second has 3 GiB free."""

    def __init__(self):
        self.pushed = self.retained = 0
        self.mute = False

    def cuDeviceGetCount(self, number):  # noqa: N802
        number._obj.value = 2
        return 0

    def cuDeviceGet(self, handle, device):  # noqa: N802
        handle._obj.value = device
        return 0 if device < 2 else 101

    def cuDeviceGetName(self, name, _size, handle):  # noqa: N802
        name.value = f"Test GPU {handle.value}/PCIe".encode()
        return 0

    def cuDeviceGetAttribute(self, value, attribute, _handle):  # noqa: N802
        value._obj.value = {75: 9, 76: 0}[attribute]
        return 0

    def cuDriverGetVersion(self, value):  # noqa: N802
        value._obj.value = 12040
        return 0

    def cuDevicePrimaryCtxRetain(self, _context, _handle):  # noqa: N802
        self.retained += 1
        return 0

    def cuDevicePrimaryCtxRelease_v2(self, _handle):  # noqa: N802
        self.retained -= 1
        return 0

    def cuCtxPushCurrent_v2(self, _context):  # noqa: N802
        self.pushed += 1
        return 0

    def cuCtxPopCurrent_v2(self, _context):  # noqa: N802
        self.pushed -= 1
        return 0

    def cuMemGetInfo_v2(self, free, _total):  # noqa: N802
        free._obj.value = 3 << 30
        return 2 if self.mute else 0


@pytest.fixture
def driver(monkeypatch):
    library = Driver()
    monkeypatch.setattr(cuda_driver, "_library", lambda: library)
    return library


def test_what_the_driver_says(driver):
    assert cuda_driver.device_count() == 2
    found = cuda_driver.describe(1)
    assert found == cuda_driver.CudaDevice(name="Test GPU 1/PCIe", capability=(9, 0), driver=12040)
    assert cuda_driver.describe(2) is None and cuda_driver.free_bytes(2) is None
    assert cuda_driver.free_bytes(1) == 3 << 30
    driver.mute = True
    assert cuda_driver.free_bytes(1) is None
    assert driver.pushed == driver.retained == 0, "contexts are given back"


def test_no_driver_is_no_gpu(monkeypatch):
    monkeypatch.setattr(cuda_driver, "_library", lambda: None)
    assert cuda_driver.device_count() == 0
    assert cuda_driver.describe(0) is None and cuda_driver.free_bytes(0) is None
    with pytest.raises(ProviderError, match="--device"):
        device_numbers(PROVIDERS["cuda"])


def test_all_devices_of_each_provider(driver, monkeypatch):
    assert device_numbers(PROVIDERS["cuda"]) == device_numbers(PROVIDERS["tensorrt"]) == range(2)
    assert device_numbers(PROVIDERS["cpu"]) == range(1)
    monkeypatch.setattr(providers, "_openvino_names", lambda: ["CPU", "GPU.0", "GPU.1"])
    assert device_numbers(PROVIDERS["openvino"]) == range(2)
    monkeypatch.setattr(providers, "_openvino_names", lambda: ["CPU"])
    assert device_numbers(PROVIDERS["openvino"]) == range(1)
    with pytest.raises(ProviderError, match="DirectML"):
        device_numbers(PROVIDERS["directml"])
    assert device_text(PROVIDERS["cuda"], 1) == "GPU 1 (Test GPU 1/PCIe)"


def test_engines_are_kept_by_gpu_versions_model_and_precision(driver, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(provider_options, "installed_wheels", lambda: {"onnxruntime-gpu": "1.31.1"})
    folder = provider_options.engine_folder(1, "fp16", "sha256:" + "ab" * 32, "uint8")
    assert folder.name == "ab" * 8 + "-fp16-uint8"
    for part in ("Test-GPU-1-PCIe", "sm-9.0", "driver-12040", "onnxruntime-gpu-1.31.1", "tensorrt-"):
        assert part in folder.parent.name
    assert folder != provider_options.engine_folder(0, "fp16", "sha256:" + "ab" * 32, "uint8")
    # onnxruntime names the engines of both graphs alike, since their values have the same names.
    assert folder != provider_options.engine_folder(1, "fp16", "sha256:" + "ab" * 32, "uint16")

    assert "minutes" in provider_options.building_notice(folder)
    folder.mkdir(parents=True)
    (folder / "TensorrtExecutionProvider_1_sm90.engine").write_bytes(b"")
    assert provider_options.building_notice(folder) is None


def test_a_cache_that_cannot_be_made_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("FACESR_CACHE", str(tmp_path / "file"))
    with pytest.raises(ProviderError, match="FACESR_CACHE"):
        provider_options.provider_options(
            providers.PROVIDERS["tensorrt"], device=0, precision="fp16", cache_key="sha256:" + "ab" * 32
        )
