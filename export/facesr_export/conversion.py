"""Turns a generator into an ONNX graph with dynamic batch, height and width."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import nn

from facesr_cli.errors import ExportError, MissingExtraError, UsageError

INPUT_NAME = "image"
OUTPUT_NAME = "upscaled"
DEFAULT_OPSET = 18
OPSETS = range(18, 24)
"""What torch's exporter writes without converting, and onnxruntime 1.20 or newer reads."""


def to_onnx(generator: nn.Module, *, scale: int, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """Convert a generator to ONNX: `image` float32 (N, 3, H, W) -> `upscaled` float32 (N, 3, sH, sW).

    Args:
        generator: In evaluation mode, float32, on the CPU.
        scale: Output pixels per input pixel and side; only names the output's dimensions.
        opset: ONNX operator set of the file.

    Raises:
        UsageError: The opset is not one of `OPSETS`.
        MissingExtraError: onnxscript, which torch's exporter needs, is not installed.
        ExportError: torch cannot convert the network.
    """
    if opset not in OPSETS:
        raise UsageError(f"--opset {opset}: choose one of {OPSETS.start} to {OPSETS.stop - 1}")
    # Sides without a common factor, so that the exporter cannot take one for another.
    example = torch.rand(2, 3, 48, 80, generator=torch.Generator().manual_seed(0))
    dynamic = torch.export.Dim.DYNAMIC
    try:
        with _quiet():
            program = torch.onnx.export(
                generator,
                (example,),
                dynamo=True,
                opset_version=opset,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic},),
            )
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"export needs {error.name}, which is not installed: pip install 'facesr-cli[train]'"
        ) from error
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"torch cannot convert this network to ONNX: {error}") from error
    assert program is not None
    model = program.model_proto
    _name_dimensions(model.graph.input[0], ("N", "3", "H", "W"))
    prefix = "" if scale == 1 else str(scale)
    _name_dimensions(model.graph.output[0], ("N", "3", f"{prefix}H", f"{prefix}W"))
    del model.graph.value_info[:]  # named after torch's symbols; readers infer them again
    # The exporter notes torch's names and the exporting machine's source lines; readers need neither.
    for entry in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        del entry.metadata_props[:]
        entry.doc_string = ""
    del model.graph.metadata_props[:]
    return model


def _name_dimensions(value: onnx.ValueInfoProto, names: tuple[str, ...]) -> None:
    for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
        if name.isdigit():
            dimension.dim_value = int(name)
        else:
            dimension.dim_param = name


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress marks and warnings about packages that we do not use off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
