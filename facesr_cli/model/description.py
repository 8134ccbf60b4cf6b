"""Everything there is to say about one model file, for the `models` command."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facesr_cli.model.catalogue import parse_figures
from facesr_cli.model.info import ModelInfo, properties_of, read_model
from facesr_cli.model.onnxfile import count_parameters, describe_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One model file, described."""

    path: Path
    info: ModelInfo
    size_bytes: int
    parameters: int
    """Floating-point values among its weights."""
    weights: str
    """Type in which most of them are stored, e.g. `float16`."""
    opset: int
    inputs: tuple[str, ...]
    """`image: float32 (N, 3, H, W)`."""
    outputs: tuple[str, ...]
    producer: str
    """Program that wrote the file, and its version."""
    figures: dict[str, str]
    properties: dict[str, str]
    """All metadata of the file, also what is not ours."""

    def to_json(self) -> dict[str, Any]:
        """The description as plain types."""
        result = asdict(self)
        result["path"] = str(self.path)
        result["info"]["degradations"] = list(self.info.degradations)
        return result


def describe(path: Path) -> Description:
    """Read `path`; errors as in `info.read_model`."""
    model = read_model(path)
    proto = model.file.proto
    weights = {tensor.name for tensor in proto.graph.initializer}
    return Description(
        path=path,
        info=model.info,
        size_bytes=model.file.size_bytes,
        parameters=count_parameters(proto),
        weights=model.file.weights,
        opset=model.interface.opset,
        inputs=tuple(describe_value(value) for value in proto.graph.input if value.name not in weights),
        outputs=tuple(describe_value(value) for value in proto.graph.output),
        producer=f"{proto.producer_name} {proto.producer_version}".strip(),
        figures=parse_figures(model.info.figures),
        properties=properties_of(proto),
    )
