"""One network on one provider: builds its sessions when needed, runs batches, and refuses broken output."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import onnx

from facesr_cli.errors import ModelError, ProviderError, UpscaleFailedError, UsageError
from facesr_cli.model import cuda_driver
from facesr_cli.model.blend import blend
from facesr_cli.model.budget import CPU_BYTES, MEMORY_SHARE, MODEST_PX
from facesr_cli.model.choosing import open_engine
from facesr_cli.model.engine import Engine
from facesr_cli.model.footprint import bytes_per_pixel
from facesr_cli.model.graph import PixelType, attach_integer_io
from facesr_cli.model.info import Model
from facesr_cli.model.onnxfile import read_interface, read_onnx
from facesr_cli.model.precision import to_float16
from facesr_cli.model.probe import MULTIPLES
from facesr_cli.model.session import NetworkSource, Pixels
from facesr_cli.model.shapes import PREFER_FEW
from facesr_cli.model.tuning import Tuning

MAX_DRIFT_LEVELS = 8.0
"""Largest difference, in 8-bit levels, between the means of a picture and of its enlargement. A sound network
stays below one level; black, white or noisy output of a broken one does not. What a file states as its drift
is added: some adversarial networks move colours by their nature."""

CLIPPED_FACTOR = 3.0
"""How many times that a picture may be off whose mean before clipping is not. Edges between black and white
are overshot, and clipping takes what lies beyond: pictures of 1 bit and dithered ones differ by up to 15."""

SMALLEST_JUDGED_PX = 16
"""Pictures with a shorter side are all border, where a sound network may drift; they are not judged."""

_SAMPLE_PX = 2 * max(MULTIPLES)
"""Side of a small picture that every network takes."""


class _Larger(NamedTuple):
    """What a network made of one picture."""

    pixels: Pixels
    mean: float
    """Before clipping, white being 1."""


class Network:
    """A model opened on a provider; arguments and errors as in `choosing.open_engine`.

    Args:
        model: The file as read, or as `mix` has blended it.
        requested: Key of a provider, or `auto`.
        device: Which GPU, from 0.
        precision: `auto`, `fp32`, `fp16` or `bf16`.
        threads: Threads for one picture on a CPU; None: all that this process may use.
        tuning: How the device is driven.
        tell: Takes sentences for people, before what takes minutes.
    """

    def __init__(
        self,
        model: Model,
        *,
        requested: str,
        device: int,
        precision: str,
        threads: int | None,
        tuning: Tuning,
        tell: Callable[[str], object],
    ) -> None:
        self._model = model
        self._open = partial(open_engine, device=device, threads=threads, tuning=tuning, tell=tell)
        engine, self.choice = self._open(self._source("uint8"), requested=requested, precision=precision)
        self.provider_key = engine.provider.key
        self._sessions = tuning.sessions_on(self.provider_key)
        self._engines: dict[tuple[str, PixelType], Engine] = {(self.provider_key, "uint8"): engine}
        self._closed = False
        self._most_drift = MAX_DRIFT_LEVELS + model.info.drift
        self._fills_up = self.provider_key in PREFER_FEW
        self._largest: dict[tuple[int, ...], int] = {}
        """Most pictures of a shape (h,w,3) that have run together; fewer are filled up to as many."""
        self._done: dict[Engine, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self.repeated: frozenset[int] = frozenset()
        """Which pictures of the last `run` were done again in fp32 on the CPU."""

    def run(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """Enlarge (h,w,3) pictures, uint8 or uint16, of equal shape, padded to what the network takes.

        Raises:
            UpscaleFailedError: Its reason is one of those that `Upscaler.upscale` lists.
            ProviderError: The provider has stopped working, for whatever picture.
        """
        self.repeated = frozenset()
        batch = np.stack(pictures)
        pixel_type: PixelType = "uint8" if batch.dtype == np.uint8 else "uint16"
        results = self._infer(self._engine(self.provider_key, pixel_type), batch)
        accepted: list[Pixels] = []
        for index, (picture, larger) in enumerate(zip(pictures, results, strict=True)):
            if larger is not None and _is_plausible(picture, larger, self._most_drift):
                accepted.append(larger.pixels)
                continue
            # fp16 overflows on some GPUs; fp32 tells whether the network or its arithmetic is at fault.
            again = self._infer(self._engine("cpu", pixel_type), picture[np.newaxis])[0]
            if again is None:
                raise UpscaleFailedError(
                    "implausible-output",
                    f"{self._model.info.name} returned undefined numbers, also in fp32 on the CPU. "
                    "Try another --model.",
                )
            if not _is_plausible(picture, again, self._most_drift):
                raise UpscaleFailedError(
                    "implausible-output",
                    f"{self._model.info.name} returned a picture whose brightness differs from the original "
                    f"by more than {self._most_drift:g} levels, also in fp32 on the CPU. Try another "
                    "--model.",
                )
            accepted.append(again.pixels)
            self.repeated |= {index}
        return accepted

    def most_px(self, device: int) -> int | None:
        """Pixels that there is room for at once; None where that is not known.

        On an NVIDIA GPU the free memory of number `device` decides; where several sessions are to share it,
        each counts on its part. On a CPU it is `CPU_BYTES`, whatever is free, so that every run has the same
        tiles.
        """
        each = bytes_per_pixel(
            self._model.file.proto,
            self._model.interface,
            scale=self._model.info.scale,
            precision=self.choice.precision,
        )
        if self.provider_key in ("cpu", "openvino"):
            return MODEST_PX if each is None else int(CPU_BYTES / each)
        if self.provider_key not in ("cuda", "tensorrt") or each is None:
            return None
        free = cuda_driver.free_bytes(device)
        return None if free is None else int(MEMORY_SHARE * free / self._sessions / each)

    def close(self) -> None:
        """Free the sessions and their memory."""
        self._engines.clear()
        self._done.clear()
        self._closed = True

    def _infer(self, engine: Engine, batch: Pixels) -> list[_Larger | None]:
        """Run (n,h,w,3) through `engine`, filled up where the network takes a fixed number of pictures.

        None stands for a picture whose numbers were not all finite.
        """
        scale = self._model.info.scale
        shape = batch.shape[1:]
        fixed = self._model.interface.batch or len(batch)
        fills_up = self._fills_up and self._model.interface.batch is None
        if fills_up and engine.provider.key == self.provider_key:
            fixed = self._largest[shape] = max(fixed, self._largest.get(shape, 0))
        expected = (fixed, batch.shape[1] * scale, batch.shape[2] * scale, 3)
        results: list[_Larger | None] = []
        for first in range(0, len(batch), fixed):
            part = batch[first : first + fixed]
            spare = fixed - len(part)
            filled = np.concatenate([part, part[-1:].repeat(spare, axis=0)]) if spare else part
            try:
                larger, means = engine.run(filled)
            except UpscaleFailedError as error:
                self._largest.pop(shape, None)
                if error.reason == "out-of-memory" and fills_up and spare:
                    return self._infer(engine, batch)  # it may fit where it is not filled up
                if error.reason == "inference-failed" and not self._still_works(engine):
                    raise ProviderError(
                        f"{engine.provider.title} stopped working, also at what it did before ({error}). "
                        "Run the same command again, or choose another --provider."
                    ) from error
                raise
            if engine not in self._done or filled.size < math.prod(self._done[engine][0]):
                self._done[engine] = filled.shape, filled.dtype
            if larger.shape != expected:
                raise UpscaleFailedError(
                    "wrong-output-size",
                    f"{self._model.info.name} returned pixels of shape {larger.shape}, expected {expected}.",
                )
            if spare:  # a view would keep what was filled up in memory until the picture is written
                larger = larger[: len(part)].copy()
            results += [
                _Larger(pixels, float(mean)) if math.isfinite(mean) else None
                for pixels, mean in zip(larger[: len(part)], means, strict=False)
            ]
        return results

    def _still_works(self, engine: Engine) -> bool:
        """Return whether `engine` still does grey pictures of the smallest size that it has done before.

        True also where it has done nothing yet, as nobody can tell then.
        """
        done = self._done.get(engine)
        if done is None:
            return True
        shape, dtype = done
        try:
            engine.run(np.full(shape, np.iinfo(dtype).max // 2, dtype))
        except UpscaleFailedError as error:
            return error.reason == "out-of-memory"
        return True

    def _engine(self, provider_key: str, pixel_type: PixelType) -> Engine:
        """The engine for `pixel_type`, opened when it is first needed."""
        if self._closed:
            raise ValueError("this Upscaler is closed")
        engine = self._engines.get((provider_key, pixel_type))
        if engine is None:
            engine, _ = self._open(
                self._source(pixel_type),
                requested=provider_key,
                precision=self.choice.precision if provider_key == self.provider_key else "fp32",
            )
            self._engines[provider_key, pixel_type] = engine
        return engine

    def _source(self, pixel_type: PixelType) -> NetworkSource:
        path = self._model.file.path

        def build(precision: str) -> bytes:
            proto, interface = self._model.file.proto, self._model.interface
            if precision == "fp16" and interface.input_type == onnx.TensorProto.FLOAT:
                proto = to_float16(proto)
                interface = read_interface(proto, path)
            return bytes(attach_integer_io(proto, interface, pixel_type).SerializeToString())

        fixed = self._model.interface
        return NetworkSource(
            build=build,
            name=path.name,
            digest=self._model.info.digest,
            pixel_type=pixel_type,
            sample=(fixed.batch or 1, fixed.height or _SAMPLE_PX, fixed.width or _SAMPLE_PX),
        )


def mix(model: Model, realism: float | None) -> Model:
    """`model`, or a blend of it and its partner where `realism` is given; the digest is then that of both.

    Raises:
        UsageError: `realism` is not in 0..1, or the model has no partner.
        ModelError: The partner is missing, or another network.
    """
    if realism is None:
        return model
    if not 0.0 <= realism <= 1.0:
        raise UsageError(f"Realism is a number from 0 to 1, not {realism:g}.")
    path, partner = model.file.path, model.info.partner
    if partner is None:
        raise UsageError(
            f"{model.info.name} has no partner network, so its realism cannot be set. Leave --realism out, "
            "or choose a model that has one (`facesr-cli models` shows which)."
        )
    if partner in ("", ".", "..") or "/" in partner or "\\" in partner:
        raise ModelError(f"{path}: its partner {partner!r} is not a plain file name.")
    other = read_onnx(path.parent / partner)
    try:
        proto = blend(model.file.proto, other.proto, realism)
    except ModelError as error:
        raise ModelError(f"{path} and {other.path}: {error}.") from error
    digest = hashlib.sha256(f"{model.info.digest} {other.digest} {realism!r}".encode()).hexdigest()
    return replace(
        model, file=replace(model.file, proto=proto), info=replace(model.info, digest=f"sha256:{digest}")
    )


def _is_plausible(picture: Pixels, larger: _Larger, most_levels: float) -> bool:
    if min(picture.shape[:2]) < SMALLEST_JUDGED_PX:
        return True
    white = float(np.iinfo(picture.dtype).max)
    mean = float(picture.mean()) / white
    clipped, unclipped = (
        abs(each - mean) * 255 for each in (float(larger.pixels.mean()) / white, larger.mean)
    )
    return clipped <= most_levels or (unclipped <= most_levels and clipped <= CLIPPED_FACTOR * most_levels)
