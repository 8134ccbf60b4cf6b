"""Runs a network of the ncnn format on the CPU, by the package `ncnn`; no Vulkan is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.program import Opened, Options, digest, packaged_file
from facesr_cli.errors import MissingExtraError, ModelError, UpscaleFailedError


class NcnnNetwork:
    """A network with one picture as input and one as output, both RGB in [0, 1].

    All else is ncnn's default: fp32 arithmetic on x86, Winograd convolutions.

    Args:
        param: The graph; the weights lie beside it in the `.bin` file of the same name.
        threads: Threads for one picture.

    Raises:
        MissingExtraError: The package `ncnn` is not installed.
        ModelError: ncnn does not read the files.
    """

    def __init__(self, param: Path, *, threads: int) -> None:
        try:
            import ncnn
        except ImportError as error:
            raise MissingExtraError("not installed: pip install ncnn") from error
        self._ncnn = ncnn
        self._name = param.stem
        self._net = ncnn.Net()
        self._net.opt.use_vulkan_compute = False
        self._net.opt.num_threads = threads
        for load, path in (
            (self._net.load_param, param),
            (self._net.load_model, weights_of(param)),
        ):
            if load(str(path)) != 0:
                raise ModelError(f"ncnn does not read {path}: install the package it came with again.")
        (self._input,), (self._output,) = self._net.input_names(), self._net.output_names()

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on one picture.

        Args:
            image: (h, w, 3) uint8 RGB.

        Returns:
            (H, W, 3) float32 RGB, about [0, 1], not clipped.

        Raises:
            UpscaleFailedError: ncnn gave no output.
        """
        height_px, width_px = image.shape[:2]
        pixels = np.ascontiguousarray(image)
        mat = self._ncnn.Mat.from_pixels(pixels, self._ncnn.Mat.PixelType.PIXEL_RGB, width_px, height_px)
        mat.substract_mean_normalize([], [1 / 255] * 3)
        extractor = self._net.create_extractor()
        extractor.input(self._input, mat)
        status, output = extractor.extract(self._output)
        if status != 0:
            raise UpscaleFailedError("inference-failed", f"ncnn gave {status} for {self._name}")
        return np.array(output, dtype=np.float32).transpose(1, 2, 0)  # from (3, H, W)


def weights_of(param: Path) -> Path:
    """Return the file of weights that belongs to a `.param` file."""
    return param.with_name(f"{param.name.removesuffix('.param')}.bin")


def to_8_bit(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round RGB of [0, 1] to the nearest of 256 levels, clipped; same shape."""
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)


def open_whole(distribution: str, file: str) -> Callable[[Options], Opened]:
    """Return what opens a network that takes the photograph whole, without context or scaling of its own.

    Args:
        distribution: The package that brings the weights.
        file: The `.param` file in it.
    """

    def opened(options: Options) -> Opened:
        param = packaged_file(distribution, file)
        network = NcnnNetwork(param, threads=options.threads)
        return Opened(enlarge=lambda low: to_8_bit(network(low)), digest=digest(weights_of(param)))

    return opened
