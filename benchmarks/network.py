"""A network with pixels attached, as `upscale` opens it, for measurements below `Upscaler`."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from facesr_cli.model.catalogue import resolve_model
from facesr_cli.model.choosing import open_engine
from facesr_cli.model.engine import Engine
from facesr_cli.model.graph import attach_integer_io
from facesr_cli.model.info import read_model
from facesr_cli.model.onnxfile import read_interface
from facesr_cli.model.precision import to_float16
from facesr_cli.model.session import NetworkSource


def digests(models: Iterable[str]) -> dict[str, str]:
    """Digest of each model by name or file, for result files: equal names may stand for other weights.

    Raises:
        ModelError: A model is missing or broken.
    """
    return {model: read_model(resolve_model(model)).info.digest for model in models}


def open_network(model: str, *, provider: str, device: int, precision: str) -> tuple[Engine, int]:
    """Open a model, by name or file, for uint8 (N, H, W, 3) pixels.

    Returns:
        Its engine, and output pixels per input pixel and side.

    Raises:
        ModelError: The model is missing or broken.
        ProviderError: The provider does not start, or not in this precision.
    """
    found = read_model(resolve_model(model))

    def build(word: str) -> bytes:
        proto, interface = found.file.proto, found.interface
        if word == "fp16" and interface.input_type == onnx.TensorProto.FLOAT:
            proto = to_float16(proto)
            interface = read_interface(proto, found.file.path)
        return bytes(attach_integer_io(proto, interface, "uint8").SerializeToString())

    source = NetworkSource(build=build, name=found.file.path.name, digest=found.info.digest)
    engine, _ = open_engine(source, requested=provider, device=device, precision=precision, threads=None)
    return engine, found.info.scale
