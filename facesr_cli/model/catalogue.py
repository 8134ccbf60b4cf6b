"""The models that come with the package, and how a model is named on the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from facesr_cli.errors import ModelError
from facesr_cli.model.info import ModelInfo, read_model
from facesr_cli.model.onnxfile import count_parameters

DEFAULT_MODEL = "face-x2"

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the bundled ONNX files; each is named after its model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledModel:
    """One model of the installation."""

    name: str
    path: Path
    info: ModelInfo
    parameters: int
    """Trainable values."""
    size_bytes: int
    figures: dict[str, str]
    """What was measured, as text, by what it is, from the file's `facesr.figures`."""

    @property
    def summary(self) -> str:
        """One line: what it does, and what for."""
        trained = f", trained to undo {', '.join(self.info.degradations)}" if self.info.degradations else ""
        return f"{self.info.scale}x, {self.parameters / 1e6:.2f} M parameters{trained}"


def bundled_names() -> tuple[str, ...]:
    """Names of the bundled models, the default first."""
    names = sorted(path.stem for path in WEIGHTS.glob("*.onnx"))
    return tuple(sorted(names, key=lambda name: name != DEFAULT_MODEL))


def bundled_models() -> tuple[BundledModel, ...]:
    """Read every bundled model, the default first.

    Raises:
        ModelError: One of them is damaged.
    """
    return tuple(_read(name) for name in bundled_names())


def resolve_model(name_or_path: str) -> Path:
    """Find the file of a bundled model by its name, or check that a path leads to a file.

    A bundled name wins over a file of that name in the current folder; `./NAME` means the file.

    Raises:
        ModelError: Neither is there.
    """
    names = bundled_names()
    if name_or_path in names:
        return WEIGHTS / f"{name_or_path}.onnx"
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelError(f"{path} is a folder; name the ONNX file in it.")
    if name_or_path == DEFAULT_MODEL:
        raise ModelError(
            f"The installation is incomplete: the model {DEFAULT_MODEL} is missing from {WEIGHTS}. "
            "Install facesr-cli again, from the place it came from."
        )
    listed = f"the bundled models are {', '.join(names)}" if names else "no models are bundled"
    raise ModelError(f"There is no model {name_or_path!r}: it is no file, and {listed}.")


def parse_figures(text: str | None) -> dict[str, str]:
    """Turn `facesr.figures` into labels and texts; text that is no JSON object is kept whole as `figures`."""
    if not text:
        return {}
    try:
        figures = json.loads(text)
    except ValueError:
        return {"figures": text}
    if not isinstance(figures, dict):
        return {"figures": text}
    return {
        str(key): value if isinstance(value, str) else json.dumps(value) for key, value in figures.items()
    }


def _read(name: str) -> BundledModel:
    model = read_model(WEIGHTS / f"{name}.onnx")
    return BundledModel(
        name=name,
        path=model.file.path,
        info=model.info,
        parameters=count_parameters(model.file.proto),
        size_bytes=model.file.size_bytes,
        figures=parse_figures(model.info.figures),
    )
