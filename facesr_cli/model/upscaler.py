"""`Upscaler`: the Python API. Pictures in, larger pictures out, on a provider that is proven to run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_cli.errors import TilingWarning, UpscaleFailedError, UsageError
from facesr_cli.model.budget import budget_for
from facesr_cli.model.catalogue import DEFAULT_MODEL, resolve_model
from facesr_cli.model.choosing import ProviderChoice
from facesr_cli.model.images import check_pixels, upscale_any, upscale_image
from facesr_cli.model.info import ModelInfo, read_model
from facesr_cli.model.network import Network, mix
from facesr_cli.model.session import Pixels
from facesr_cli.model.shapes import PREFER_FEW, Cuts, ShapeBook
from facesr_cli.model.tiling import Padding, TileRule, cut, upscale_tiled
from facesr_cli.model.tuning import Tuning


class Upscaler:
    """Enlarges photographs with one network on one provider.

    Pictures are RGB in the network's sense: sRGB-like, not linear. One instance serves one thread at a time.

    Args:
        model: Name of a bundled model, or the path of an ONNX file.
        provider: `auto`, or a key of `providers.PROVIDERS`, which is then used or refused.
        device: Which GPU, from 0.
        precision: `fp32`, `fp16`, `bf16` or `auto`: fp16 on CUDA and TensorRT, bf16 on OpenVINO where the
            processor computes in it and a trial shows the same picture, else fp32.
        batch_size: Pictures or tiles of equal size that run together; None: 1 on a CPU, up to 8 on a GPU.
        tile_px: Largest side of the input that is processed at once; None: see `budget`. After the device ran
            out of memory, batch and then tile are halved, and stay so. Fixed input sizes stay.
        realism: 0 to 1 between a model and its partner; None: the model as it is. For models with a partner.
        threads: Threads that compute one picture on a CPU; None: one for each CPU this process may use.
        tuning: How the device is driven; changes the speed, not the picture.
        tell: Takes a sentence for people before something that takes minutes; None: nobody is told.

    Raises:
        ModelError: The model is missing, broken, or not an upscaler.
        ProviderError: The provider or precision cannot be had; nothing ever falls back to the CPU unasked.
        UsageError: `realism` or `tile_px` does not go with this model, or `batch_size` is below 1.
    """

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        *,
        provider: str = "auto",
        device: int = 0,
        precision: str = "auto",
        batch_size: int | None = None,
        tile_px: int | None = None,
        realism: float | None = None,
        threads: int | None = None,
        tuning: Tuning | None = None,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"The batch size must be at least 1, not {batch_size}.")
        path = model if isinstance(model, Path) else resolve_model(model)
        self._model = mix(read_model(path), realism)
        self._rule = TileRule.for_network(self.info.halo, self.info.multiple)
        if tile_px is not None and tile_px < self._rule.smallest_tile:
            raise UsageError(
                f"Tiles of {tile_px} px are too small for {self.info.name}, which needs "
                f"{self._rule.overlap // 2} px around each; use at least {self._rule.smallest_tile}."
            )
        self._network = Network(
            self._model,
            requested=provider,
            device=device,
            precision=precision,
            threads=threads,
            tuning=tuning or Tuning(),
            tell=tell or (lambda _sentence: None),
        )
        key, most_px = self._network.provider_key, self._network.most_px(device)
        self._budget = budget_for(key, self._rule, batch_size=batch_size, tile_px=tile_px, most_px=most_px)
        exact = self._rule.fade == 0 and not self._is_fixed
        self._shapes = ShapeBook(self._rule) if exact and key in PREFER_FEW else None
        self._repeated: tuple[int, ...] = ()
        self._approximated: tuple[int, ...] = ()
        fixed = self._model.interface.batch
        if fixed is not None:
            self._budget = replace(self._budget, batch_size=fixed, batch_px=None)

    @property
    def info(self) -> ModelInfo:
        """What the model file says about itself."""
        return self._model.info

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, along each side."""
        return self.info.scale

    @property
    def provider(self) -> ProviderChoice:
        """Where the network runs, and why there."""
        return self._network.choice

    @property
    def batch_size(self) -> int:
        """Most pictures of equal size that run together; large pictures may be fewer."""
        return self._budget.batch_size

    @property
    def repeated(self) -> tuple[int, ...]:
        """Indices in the last `upscale_batch` of pictures that were done again in fp32 on the CPU.

        Those are pictures, or tiles of them, for which the provider returned undefined numbers or another
        brightness.
        """
        return self._repeated

    @property
    def approximated(self) -> tuple[int, ...]:
        """Indices in the last `upscale_batch` of pictures that differ from the untiled result.

        Those were tiled, although the network looks at the whole picture (`ModelInfo.whole_picture`).
        """
        return self._approximated

    @overload
    def upscale(self, image: Image.Image) -> Image.Image: ...
    @overload
    def upscale(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]: ...
    @overload
    def upscale(self, image: NDArray[np.uint16]) -> NDArray[np.uint16]: ...
    def upscale(self, image: Image.Image | NDArray[Any]) -> Image.Image | NDArray[Any]:
        """Enlarge one picture.

        Args:
            image: (H,W,3) RGB or (H,W) grey, uint8 or uint16, full range; or a Pillow image (see
                `images.upscale_image` for its modes).

        Returns:
            The same kind: (sH,sW,3) or (sH,sW) of the same type, or a Pillow image.

        Raises:
            UpscaleFailedError: Its reason is `out-of-memory`, `inference-failed`, `wrong-output-size` or
                `implausible-output`.
            ProviderError: The provider has stopped working; no other picture would fare better.
            TypeError, ValueError: `image` is of another type or shape.

        Warns:
            TilingWarning: `image` was tiled, but the network looks at the whole of it.
        """
        if isinstance(image, Image.Image):
            return upscale_image(image, self.scale, lambda pixels: upscale_any(pixels, self._upscale_one))
        return upscale_any(image, self._upscale_one)

    def upscale_batch(self, images: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Enlarge (H,W,3) RGB arrays, uint8 or uint16; those of equal shape and type run together.

        Returns:
            (sH,sW,3) arrays in the order of `images`.

        Raises:
            UpscaleFailedError: As `upscale`; which picture it was, `upscale` one by one will tell.
            ProviderError: As `upscale`.

        Warns:
            TilingWarning: As `upscale`.
        """
        self._repeated = self._approximated = ()
        groups: dict[tuple[tuple[int, ...], str], list[int]] = {}
        for index, image in enumerate(images):
            check_pixels(image)
            if image.ndim != 3:
                raise ValueError(f"a batch holds (H, W, 3) arrays, not {image.shape}")
            groups.setdefault((image.shape, image.dtype.name), []).append(index)
        results: dict[int, NDArray[Any]] = {}
        for indices in groups.values():
            larger, repeated, approximated = self._upscale_equal([images[index] for index in indices])
            results.update(zip(indices, larger, strict=True))
            self._repeated += tuple(indices[place] for place in repeated)
            self._approximated += tuple(indices[place] for place in approximated)
        return [results[index] for index in range(len(images))]

    def close(self) -> None:
        """Free the sessions and their memory; the instance cannot be used afterwards."""
        self._network.close()

    def __enter__(self) -> Upscaler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _upscale_one(self, pixels: Pixels) -> Pixels:
        return self._upscale_equal([pixels])[0][0]

    def _upscale_equal(self, pictures: Sequence[Pixels]) -> tuple[list[Pixels], list[int], list[int]]:
        """Enlarge (H,W,3) pictures of equal shape and type; fewer at once after a lack of memory.

        Returns:
            Them, which of them were `repeated`, and which `approximated`.
        """
        height, width = pictures[0].shape[:2]
        results: list[Pixels] = []
        repeated: list[int] = []
        approximated: list[int] = []
        while len(results) < len(pictures):
            group = pictures[len(results) : len(results) + self._budget.batch_for(height, width)]
            try:
                larger, again = self._upscale_group(group)
            except UpscaleFailedError as error:
                smaller = self._budget.after_shortage(height, width, len(group), self._rule)
                if error.reason != "out-of-memory" or smaller is None or self._is_fixed:
                    raise
                self._budget = smaller
                if self._shapes is not None:
                    self._shapes.forget(smaller.tile_for)
            else:
                repeated += [len(results) + place for place in again]
                if self.info.whole_picture and self._is_tiled(height, width):
                    approximated += range(len(results), len(results) + len(larger))
                results += larger
        if approximated:
            warnings.warn(
                f"{self.info.name} looks at the whole picture, but {width}x{height} px were processed in "
                "tiles: tones may differ from tile to tile. Use a larger tile, or a network with a halo.",
                TilingWarning,
                stacklevel=3,
            )
        return results, repeated, approximated

    @property
    def _is_fixed(self) -> bool:
        return self._model.interface.height is not None or self._model.interface.width is not None

    def _upscale_group(self, pictures: Sequence[Pixels]) -> tuple[list[Pixels], list[int]]:
        height, width = pictures[0].shape[:2]
        padding = self._padding(height, width)
        padded = [padding.apply(picture) for picture in pictures]
        rows, columns = self._cuts(*padded[0].shape[:2])
        if len(rows) == len(columns) == 1:
            larger = self._network.run(padded)
            repeated = sorted(self._network.repeated)
        else:
            larger, repeated = [], []
            for index, picture in enumerate(padded):

                def upscale(tiles: Sequence[Pixels], index: int = index) -> list[Pixels]:
                    done = self._network.run(tiles)
                    if self._network.repeated and index not in repeated:
                        repeated.append(index)
                    return done

                size = self._budget.batch_for(rows[0].read.size, columns[0].read.size)
                size = -(-len(columns) // -(-len(columns) // size))  # 5 at most 4 at once are 3 and 2
                larger.append(
                    upscale_tiled(picture, rows, columns, scale=self.scale, upscale=upscale, batch_size=size)
                )
        cropped = (slice(height * self.scale), slice(width * self.scale))
        return [np.ascontiguousarray(picture[cropped]) for picture in larger], repeated

    def _is_tiled(self, height: int, width: int) -> bool:
        padding = self._padding(height, width)
        rows, columns = self._cuts(height + padding.bottom, width + padding.right)
        return len(rows) > 1 or len(columns) > 1

    def _padding(self, height: int, width: int) -> Padding:
        fixed = self._model.interface
        padding = Padding.to_multiple(height, width, self.info.multiple)
        return Padding(
            padding.bottom if fixed.height is None else max(fixed.height - height, 0),
            padding.right if fixed.width is None else max(fixed.width - width, 0),
        )

    def _cuts(self, height: int, width: int) -> Cuts:
        tile = self._budget.tile_for(height, width)
        fixed = self._model.interface
        rows, columns = (
            cut(length, tile, self._rule) if size is None else cut(length, size, _rule_for(size), exact=True)
            for length, size in ((height, fixed.height), (width, fixed.width))
        )
        if self._shapes is None:
            return rows, columns
        return self._shapes.settle(height, width, (rows, columns))


def _rule_for(fixed: int) -> TileRule:
    """Tiling of a network that takes `fixed` pixels only: an eighth is context, a quarter faded."""
    return TileRule(halo=min(16, fixed // 8), fade=min(32, fixed // 4))
