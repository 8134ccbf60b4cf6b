"""`Settings`: everything a batch run was asked to do, gathered once and never changed."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from facesr_cli.batch.report import refuse_other_files
from facesr_cli.errors import UsageError
from facesr_cli.photo.formats import FormatChoice

ExistingMode: TypeAlias = Literal["resume", "skip", "overwrite", "error"]
MetadataMode: TypeAlias = Literal["keep", "strip"]

EXISTING_MODES: tuple[ExistingMode, ...] = get_args(ExistingMode)
METADATA_MODES: tuple[MetadataMode, ...] = get_args(MetadataMode)

# Raised by hand whenever the same flags start to give other bytes, so that `resume` redoes old outputs.
_OUTPUT_REVISION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The flags of one `upscale` run, under the names that docs/upscale.md explains."""

    inputs: tuple[Path, ...]
    """Files and directories, in the order given."""
    out: Path | None = None
    """-o; None puts outputs beside their inputs."""
    model: str = "face-x2"
    """Name of a bundled model, or path of an ONNX file."""
    realism: float | None = None
    """0-1; None is the model's own balance."""
    provider: str = "auto"
    device: int | Literal["all"] = 0
    """Which GPU, counted from 0, or all of them."""
    precision: str = "auto"
    batch_size: int | None = None
    """Photographs of equal shape per inference; None leaves it to the upscaler."""
    tile_px: int | None = None
    """Longest side of the input that is processed at once; None leaves it to the upscaler."""
    file_format: FormatChoice = "same"
    quality: int | None = None
    """1-100 for lossy formats; None is 95."""
    existing: ExistingMode = "resume"
    verify: bool = False
    """With `resume`: compare outputs by their digests too, not only by their sizes."""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    metadata: MetadataMode = "keep"
    max_megapixels: float | None = None
    """Photographs with more millions of pixels are refused; None is Pillow's limit, 178.9."""
    workers: int | None = None
    """Threads that decode, and as many that encode; None is half of the processors, 8 at most."""
    report: Path | None = None
    """Where the JSON report is written; links resolved. Only a report, or an empty file, is replaced."""
    fail_fast: bool = False

    def __post_init__(self) -> None:
        if not self.inputs:
            raise UsageError("No INPUT given. Name at least one file or directory.")
        if self.realism is not None and not 0 <= self.realism <= 1:
            raise UsageError(f"--realism {self.realism} is not between 0 and 1.")
        if self.quality is not None:
            if not 1 <= self.quality <= 100:
                raise UsageError(f"--quality {self.quality} is not between 1 and 100.")
            if self.file_format in ("png", "tiff"):
                raise UsageError(
                    f"--quality means nothing to {self.file_format}, which is lossless. Leave it out."
                )
        if self.verify and self.existing != "resume":
            raise UsageError(f"--verify goes with --existing resume, not with {self.existing}.")
        if self.max_megapixels is not None and not 0 < self.max_megapixels < math.inf:
            raise UsageError(
                f"--max-megapixels {self.max_megapixels:g} is not a finite number above 0. Name one that is "
                "large enough for your photographs."
            )
        if self.report is not None:
            if self.report.is_dir():
                raise UsageError(f"--report {self.report} is a directory. Name a file in it.")
            refuse_other_files(self.report)
            if self.report.is_symlink():  # a link is kept, and what it stands for is written
                object.__setattr__(self, "report", Path(os.path.realpath(self.report)))
            if not self.report.absolute().parent.is_dir():
                raise UsageError(
                    f"--report {self.report}: the directory {self.report.parent} does not exist."
                )

    def digest(self) -> str:
        """Return a hash of what decides the bytes of an output, the model file apart.

        Requested values count, not resolved ones: the same command on another machine continues a run.
        """
        decisive = {
            "revision": _OUTPUT_REVISION,
            "realism": self.realism,
            "precision": self.precision,
            "tile_px": self.tile_px,
            "format": self.file_format,
            "quality": self.quality,
            "metadata": self.metadata,
        }
        text = json.dumps(decisive, sort_keys=True)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
