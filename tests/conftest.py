"""Fixtures of all rooms: tiny ONNX upscalers built by hand, and seeded random photographs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facesr_cli.model import catalogue
from facesr_cli.model.info import ModelInfo

# How long an example takes says more about the machine than about the code.
settings.register_profile("facesr", deadline=None)
settings.load_profile("facesr")


class BuildUpscaler(Protocol):
    """Writes an ONNX upscaler: one 5x5 convolution and DepthToSpace, nearly nearest-neighbour, halo 2."""

    def __call__(self, path: Path, **options: Any) -> Path:
        """Options: see `build_upscaler`."""
        ...


def build_upscaler(
    path: Path,
    *,
    scale: int = 2,
    info: ModelInfo | None = None,
    opset: int = 17,
    names: tuple[str, str] = ("image", "upscaled"),
    shape: tuple[int | str, ...] = ("N", 3, "H", "W"),
    element: int = TensorProto.FLOAT,
    seed: int = 0,
    gain: float = 1.0,
    unshuffle: int = 1,
) -> Path:
    """Write the upscaler of `BuildUpscaler` to `path`.

    `gain` multiplies the picture (1 keeps its brightness); `unshuffle` makes sizes that are no multiple of it
    fail.
    """
    random = np.random.default_rng(seed)
    dtype = np.float16 if element == TensorProto.FLOAT16 else np.float32
    detail = random.normal(0, 0.02, (3 * scale * scale, 3, 5, 5))
    weights = detail - detail.mean(axis=(1, 2, 3), keepdims=True)  # adds no brightness
    for index in range(3 * scale * scale):
        weights[index, index % 3, 2, 2] += gain
    nodes, source = [], names[0]
    if unshuffle > 1:
        nodes = [
            helper.make_node("SpaceToDepth", [source], ["deep"], blocksize=unshuffle),
            helper.make_node("DepthToSpace", ["deep"], ["flat"], blocksize=unshuffle),
        ]
        source = "flat"
    nodes += [
        helper.make_node("Conv", [source, "weights"], ["planes"], pads=[2, 2, 2, 2]),
        helper.make_node("DepthToSpace", ["planes"], [names[1]], blocksize=scale),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(names[0], element, shape)],
        [helper.make_tensor_value_info(names[1], element, ["n", 3, "h", "w"])],
        [numpy_helper.from_array(weights.astype(dtype), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    if info is not None:
        helper.set_model_props(model, info.to_properties())
    onnx.save(model, path)
    return path


def tiny_info(**changes: Any) -> ModelInfo:
    """Metadata of the tiny model."""
    values: dict[str, Any] = {
        "name": "tiny-x2",
        "version": "1",
        "scale": 2,
        "multiple": 1,
        "halo": 2,
        "degradations": ("bicubic", "real"),
        "recipe": "tiny sha256:0000",
        "data": "random numbers",
        "license": "MIT",
        "parity": 1e-6,
    }
    return ModelInfo(**(values | changes))


@pytest.fixture(scope="session")
def build_onnx() -> BuildUpscaler:
    """Writes upscalers with other sizes, names, types and faults."""
    return build_upscaler


@pytest.fixture(scope="session")
def make_info() -> Callable[..., ModelInfo]:
    """Metadata of the tiny model, with changes."""
    return tiny_info


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An x2 model with full facesr metadata, halo 2."""
    return build_upscaler(tmp_path_factory.mktemp("models") / "tiny-x2.onnx", info=tiny_info())


@pytest.fixture(scope="session")
def partner_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An x2 model whose partner, `sharp.onnx`, lies beside it."""
    folder = tmp_path_factory.mktemp("partners")
    build_upscaler(folder / "sharp.onnx", info=tiny_info(name="sharp"), seed=1)
    return build_upscaler(folder / "mild.onnx", info=tiny_info(name="mild", partner="sharp.onnx"))


@pytest.fixture(scope="session")
def foreign_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A third-party x2 model: no metadata, other names."""
    return build_upscaler(tmp_path_factory.mktemp("models") / "foreign.onnx", names=("input.1", "87"))


@pytest.fixture(scope="session")
def foreign_x3_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A third-party x3 model."""
    return build_upscaler(tmp_path_factory.mktemp("models") / "foreign-x3.onnx", scale=3, names=("in", "out"))


@pytest.fixture(scope="session")
def broken_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file that was cut short."""
    whole = build_upscaler(tmp_path_factory.mktemp("models") / "broken.onnx")
    whole.write_bytes(whole.read_bytes()[:-100])
    return whole


@pytest.fixture
def bundled(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tiny model in the place of the bundled weights, as the default model; gives that folder."""
    folder = tmp_path / "weights"
    folder.mkdir()
    figures = '{"paper": "+2.10 dB over bicubic", "real": 1.5}'
    build_upscaler(folder / "face-x2.onnx", info=tiny_info(name="face-x2", figures=figures))
    monkeypatch.setattr(catalogue, "WEIGHTS", folder)
    yield folder


@pytest.fixture(scope="session")
def random_photo() -> Callable[..., NDArray[Any]]:
    """Makes seeded (H,W,3) RGB noise over mid-grey: `random_photo(33, 47, np.uint16, seed=1)`."""

    def make(height: int, width: int, dtype: type = np.uint8, seed: int = 0) -> NDArray[Any]:
        random = np.random.default_rng(seed)
        top = int(np.iinfo(dtype).max)
        return random.integers(top // 8, top - top // 8, (height, width, 3), dtype=dtype, endpoint=True)

    return make
