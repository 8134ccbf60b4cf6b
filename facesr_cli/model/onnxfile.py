"""Reads an ONNX file from disk safely and says what goes in and out of its graph."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data

from facesr_cli.errors import ModelError
from facesr_cli.model.stored import restore_float32, stored_type

MAX_MODEL_BYTES = 1 << 30
"""Largest model accepted, external data included; protobuf itself ends at 2 GiB."""

MIN_OPSET = 7
"""Oldest operator set that onnxruntime promises to run, and the first with numpy-style broadcasting."""

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The one input and the one output of an upscaling graph, both float (N,3,H,W) RGB in [0,1]."""

    input_name: str
    output_name: str
    input_type: int
    """`onnx.TensorProto.FLOAT` or `FLOAT16`."""
    output_type: int
    batch: int | None
    """Fixed N of the graph, or None where any number of images can be run together."""
    height: int | None
    """Fixed H of the input in pixels, or None."""
    width: int | None
    """Fixed W of the input in pixels, or None."""
    opset: int


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A decoded ONNX file."""

    path: Path
    digest: str
    """`sha256:` and the hexadecimal digest of the file's bytes, followed by those of its data files."""
    size_bytes: int
    proto: onnx.ModelProto
    """Weights that `export` stored in half precision are float32 here."""
    weights: str = "float32"
    """Type of most weights in the file, e.g. `float16`."""


def read_onnx(path: Path) -> OnnxFile:
    """Read and decode `path`, external tensors included.

    Raises:
        ModelError: The file is missing, too large, not ONNX, or names data outside its own folder.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file.")
    size_bytes = path.stat().st_size
    if size_bytes > MAX_MODEL_BYTES:
        raise ModelError(f"{path}: {size_bytes / 2**30:.1f} GiB; a model file may be at most 1 GiB.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        proto = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ModelError(f"{path}: not an ONNX file, or cut short.") from error
    if not proto.graph.node or not proto.opset_import:
        raise ModelError(f"{path}: not an ONNX file, or one without a graph.")
    digest = hashlib.sha256(data)
    try:
        for file in _load_external_data(proto, path, size_bytes):
            with file.open("rb") as opened:
                for block in iter(lambda: opened.read(1 << 20), b""):
                    digest.update(block)
        weights = stored_type(proto)
        restore_float32(proto)
    # The last two are what the system says of names that cannot be ones, and of links in a circle.
    except (OSError, onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: its weights cannot be read ({error}).") from error
    return OnnxFile(path, f"sha256:{digest.hexdigest()}", size_bytes, proto, weights)


def read_interface(proto: onnx.ModelProto, path: Path) -> Interface:
    """Find the input and output of `proto`; `path` is for messages only.

    Raises:
        ModelError: The graph is not one image in, one image out, float, NCHW, 3 channels.
    """
    initializers = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in initializers]
    outputs = list(proto.graph.output)
    for word, values in (("input", inputs), ("output", outputs)):
        if len(values) != 1:
            names = ", ".join(value.name for value in values) or "none"
            raise ModelError(f"{path}: not an upscaler: one {word} is expected, it has {names}.")
    source, target = inputs[0], outputs[0]
    source_shape, target_shape = _shape(source), _shape(target)
    _check_image(path, "input", source, source_shape)
    _check_image(path, "output", target, target_shape)
    opset = standard_opset(proto)
    if opset < MIN_OPSET:
        raise ModelError(
            f"{path}: made for ONNX opset {opset}; onnxruntime needs {MIN_OPSET} or newer. Export it again."
        )
    return Interface(
        input_name=source.name,
        output_name=target.name,
        input_type=source.type.tensor_type.elem_type,
        output_type=target.type.tensor_type.elem_type,
        batch=source_shape[0] if source_shape else None,
        height=source_shape[2] if source_shape else None,
        width=source_shape[3] if source_shape else None,
        opset=opset,
    )


def standard_opset(proto: onnx.ModelProto) -> int:
    """Version of the standard operator set that `proto` imports, 0 where it imports none."""
    return max((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def count_parameters(proto: onnx.ModelProto) -> int:
    """Number of floating-point values in the initialisers of the main graph.

    Those without dimensions are left out: exporters keep the constants of formulas so, such as the divisor
    of a mean, and layers have at least one dimension.
    """
    floats = (*_FLOATS, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)
    return sum(
        math.prod(tensor.dims)
        for tensor in proto.graph.initializer
        if tensor.data_type in floats and tensor.dims
    )


def describe_value(value: onnx.ValueInfoProto) -> str:
    """Name, element type and shape of a graph input or output: `image: float32 (N, 3, H, W)`."""
    tensor = value.type.tensor_type
    element = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    element = "float32" if element == "float" else element
    dims = ", ".join(dim.dim_param or str(dim.dim_value or "?") for dim in tensor.shape.dim)
    return f"{value.name}: {element} ({dims})"


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    """Dimensions of `value`, None where symbolic; empty where the rank itself is not given."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims)


def _check_image(path: Path, word: str, value: onnx.ValueInfoProto, shape: tuple[int | None, ...]) -> None:
    if value.type.tensor_type.elem_type not in _FLOATS:
        raise ModelError(
            f"{path}: not an upscaler this program can run: its {word} is not float32 or float16."
        )
    # An output without any shape is common in third-party files; the probe run settles what it is.
    if not shape and word == "output":
        return
    interleaved = len(shape) == 4 and shape[1] is None and shape[3] == 3
    if len(shape) != 4 or shape[1] not in (3, None) or interleaved:
        raise ModelError(
            f"{path}: not an upscaler this program can run: its {word} is {describe_value(value)}, "
            "expected float (N, 3, H, W)."
        )


def _load_external_data(proto: onnx.ModelProto, path: Path, size_bytes: int) -> list[Path]:
    """Load tensors stored beside the file, after checking that they really are beside it.

    Returns:
        The data files, by name; none for most models.

    Raises:
        ModelError: A file outside the folder, one that is missing, or more data than a model may have.
        OSError, ValueError, RuntimeError, onnx.checker.ValidationError: What else is wrong with it.
    """
    folder = path.parent.resolve()
    files: set[Path] = set()
    total = size_bytes
    for tensor in _all_tensors(proto):
        if not uses_external_data(tensor):
            continue
        data = ExternalDataInfo(tensor)  # read as onnx itself reads it, which takes the last of equal keys
        location = str(data.location)
        rooted = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor != ""
        target = (folder / location).resolve()
        if not location or rooted or not target.is_relative_to(folder):
            raise ModelError(f"{path}: refused, because it reads {location!r}, outside its own folder.")
        if not target.is_file():
            raise ModelError(f"{path}: its data file {location!r} is missing; keep both in one folder.")
        files.add(target)
        # By tensor, not by file: many tensors may share one range, and each gets a copy of it.
        rest = max(0, target.stat().st_size - (data.offset or 0))
        total += min(rest, data.length) if data.length else rest
    if not files:
        return []
    if total > MAX_MODEL_BYTES:
        raise ModelError(f"{path}: {total / 2**30:.1f} GiB with its data; a model may be at most 1 GiB.")
    load_external_data_for_model(proto, str(folder))
    return sorted(files)


def _all_tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of `proto` that onnx loads: of the graph, its subgraphs and the model's functions."""
    yield from _tensors(proto.graph)
    for function in proto.functions:
        yield from _node_tensors(function.node)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of `graph`: initialisers and attributes, subgraphs included."""
    yield from graph.initializer
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
            for subgraph in attribute.graphs:
                yield from _tensors(subgraph)
