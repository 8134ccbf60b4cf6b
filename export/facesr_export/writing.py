"""The file that export writes: where it may be, and writing it whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from facesr_cli.errors import ExportError, UsageError


def check_output(output: Path, *, name: str | None, partner: str | None) -> None:
    """Refuse an output, a model's name or a partner's file name that cannot be meant; None: not given.

    Raises:
        UsageError: `output` does not end in .onnx or its folder does not exist, `name` is empty, or `partner`
            is not the name of another ONNX file in that folder.
    """
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"{output}: the output must end in .onnx")
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent}: no such folder; make it first")
    if name is not None and not name.strip():
        raise UsageError("--name: a model needs a name")
    if partner is None:
        return
    if "/" in partner or "\\" in partner or Path(partner).suffix.lower() != ".onnx":
        raise UsageError(
            f"--partner {partner!r}: give the plain name of an .onnx file, which then lies beside the output"
        )
    if partner == output.name:
        raise UsageError(f"--partner {partner}: a network cannot be its own partner")


def write(path: Path, data: bytes) -> None:
    """Write `data` to `path` by way of a temporary file beside it.

    Raises:
        ExportError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)
