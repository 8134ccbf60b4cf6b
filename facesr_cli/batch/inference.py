"""Photographs through the network: equal shapes together, and one bad photograph alone with its failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from facesr_cli.errors import CapabilityError, PhotoError, UpscaleFailedError


class ModelFacts(Protocol):
    """What the batch room reads of `facesr_cli.model.info.ModelInfo`."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def scale(self) -> int: ...
    @property
    def digest(self) -> str: ...


class ProviderFacts(Protocol):
    """What the batch room reads of `facesr_cli.model.choosing.ProviderChoice`."""

    @property
    def requested(self) -> str: ...
    @property
    def actual(self) -> str: ...
    @property
    def precision(self) -> str: ...


class PhotoUpscaler(Protocol):
    """What the batch room needs of `facesr_cli.model.upscaler.Upscaler`."""

    @property
    def info(self) -> ModelFacts: ...
    @property
    def provider(self) -> ProviderFacts: ...
    @property
    def scale(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def repeated(self) -> tuple[int, ...]: ...
    @property
    def approximated(self) -> tuple[int, ...]: ...
    def upscale_batch(self, images: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """(H, W, 3) uint8 or uint16 RGB arrays of one shape to (sH, sW, 3) of the same dtype, in order."""
        ...

    def close(self) -> None: ...


class Enlarged(NamedTuple):
    """What the network made of one photograph."""

    pixels: NDArray[Any]
    """(sH, sW, 3) RGB."""
    notes: tuple[str, ...] = ()
    """What a person should know of how it was made."""


def upscale_each(upscaler: PhotoUpscaler, images: Sequence[NDArray[Any]]) -> list[Enlarged | PhotoError]:
    """Upscale a batch; where it fails, upscale its photographs one by one, so that neighbours survive.

    Args:
        upscaler: The network.
        images: (H, W, 3) RGB arrays of one shape and dtype.

    Returns:
        For each image what became of it, or the error that says why there is none.

    Raises:
        CapabilityError: The model or provider itself has stopped working; no photograph is to blame.
    """
    try:
        return _checked(upscaler, images)
    except CapabilityError:
        raise
    except Exception as error:  # the documented boundary: a provider may raise anything about a photograph
        if len(images) == 1:
            return [_typed(error)]
    return [result for image in images for result in upscale_each(upscaler, [image])]


def _checked(upscaler: PhotoUpscaler, images: Sequence[NDArray[Any]]) -> list[Enlarged | PhotoError]:
    """Run the batch and refuse results that cannot belong to these photographs."""
    larger = upscaler.upscale_batch(images)
    if len(larger) != len(images):
        raise UpscaleFailedError(
            "inference-failed", f"{len(images)} pictures went in, {len(larger)} came out."
        )
    for image, result in zip(images, larger, strict=True):
        expected = (image.shape[0] * upscaler.scale, image.shape[1] * upscaler.scale, 3)
        if result.shape != expected or result.dtype != image.dtype:
            raise UpscaleFailedError(
                "wrong-output-size",
                f"the network made {result.shape} {result.dtype} where {expected} {image.dtype} was due.",
            )
    again = f"done again in fp32 on the CPU: {upscaler.provider.actual} returned undefined or faulty numbers"
    tiled = "done in tiles, though the network looks at the whole picture: tones may differ between tiles"
    told = ((again, upscaler.repeated), (tiled, upscaler.approximated))
    return [
        Enlarged(pixels, tuple(note for note, indices in told if index in indices))
        for index, pixels in enumerate(larger)
    ]


def _typed(error: Exception) -> PhotoError:
    if isinstance(error, PhotoError):
        return error
    if isinstance(error, MemoryError):
        return UpscaleFailedError("out-of-memory", "the network ran out of memory. Use a smaller --tile.")
    return UpscaleFailedError("inference-failed", f"the network failed ({type(error).__name__}: {error}).")
