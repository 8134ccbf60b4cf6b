"""Every error that facesr-cli raises on purpose, and the exit code that each one means.

    FacesrError                      exit code
    ├── UsageError                   2    a flag, a recipe or a combination of inputs that cannot be meant
    │   └── OutputCollisionError     2    two inputs would write one output; nothing has been started
    ├── CapabilityError              3    this machine, model or installation cannot do what was asked
    │   ├── ModelError               3    a model file that is missing, broken or not an upscaler
    │   ├── ProviderError            3    an execution provider that is not there or does not start
    │   ├── MissingExtraError        3    an optional part of the installation is missing
    │   └── ExportError              3    an exported graph that does not equal its checkpoint
    ├── TrainingError                3    training that cannot go on (non-finite loss, no photographs)
    └── PhotoError                   1    one photograph failed; the run goes on
        ├── UnreadablePhotoError          not a photograph, truncated, too large, no permission
        ├── UpscaleFailedError            the network produced no usable picture
        └── WriteFailedError              the output could not be written

    UserWarning
    └── TilingWarning                     a picture in tiles, from a network that looks at the whole of it

Messages name the file and the remedy. `facesr_cli.cli` alone turns them into click's exit codes.
"""

from __future__ import annotations

from typing import ClassVar


class FacesrError(Exception):
    """Base of all errors meant for a user; `str(error)` is one sentence or two, without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(FacesrError):
    """What was asked for contradicts itself or names something that does not exist."""

    exit_code = 2


class OutputCollisionError(UsageError):
    """Two inputs would be written to the same output path."""


class CapabilityError(FacesrError):
    """This machine, model or installation cannot do what was asked."""

    exit_code = 3


class ModelError(CapabilityError):
    """The model file is missing, broken, or not an image upscaler."""


class ProviderError(CapabilityError):
    """The execution provider that was asked for is not available or did not start."""


class MissingExtraError(CapabilityError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class ExportError(CapabilityError):
    """The exported ONNX graph differs from its checkpoint by more than the tolerance."""


class TrainingError(CapabilityError):
    """Training cannot go on; the message says where the last good state is."""


class PhotoError(FacesrError):
    """One photograph failed. `reason` is a stable word for reports, `str(error)` the sentence.

    Args:
        reason: One of the words documented in `docs/upscale.md`, e.g. `unreadable`, `write-failed`.
        message: What happened and what to do about it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnreadablePhotoError(PhotoError):
    """The input cannot be decoded: not a photograph, truncated, too large, or no permission."""


class UpscaleFailedError(PhotoError):
    """The network or its provider produced no usable picture for this photograph."""


class WriteFailedError(PhotoError):
    """The output could not be encoded or written; no partial file is left behind."""


class TilingWarning(UserWarning):
    """A network that looks at the whole picture was given tiles: the result differs from the untiled one."""
