"""The named degradations: how a full-size photograph becomes the half-size one that is upscaled again.

One definition each, on 8-bit RGB arrays. All arithmetic is float until one rounding to 8 bit at the end
(`real`: after the noise, before JPEG). The border is mirrored without repeating the edge pixel (numpy's
"reflect"). Photographs with an odd side lose their last row or column first.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# The paper whose GAN this project starts from blurs with a 7x7 Gaussian of sigma 5 and halves the photograph.
# Its text leaves the order open; `paper-alt` is the other one.
PAPER_BLUR_RADIUS_PX = 3
PAPER_BLUR_SIGMA_PX = 5.0

# Ranges of `real`: what scanners, phones and web galleries do to a portrait, mild on purpose.
BLUR_SIGMA_RANGE_PX = (0.2, 1.6)
NOISE_SIGMA_RANGE = (0.0, 6.0)
JPEG_QUALITY_RANGE = (65, 98)

ResizeName = Literal["area", "bilinear", "bicubic", "lanczos"]
RESIZE_NAMES: tuple[ResizeName, ...] = get_args(ResizeName)

# Pillow widens each kernel by the reduction factor, so all four are antialiased. Its bicubic has a = -0.5.
_RESAMPLING: dict[ResizeName, Image.Resampling] = {
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RealParameters:
    """What `real` does to one photograph."""

    blur_sigma: float | None
    """Standard deviation of the Gaussian blur in pixels of the full-size photograph; None: no blur."""
    resize: ResizeName
    """Kernel that halves the photograph."""
    noise_sigma: float
    """Standard deviation of the Gaussian noise in 8-bit levels, independent per pixel and channel."""
    jpeg_quality: int
    """Pillow's JPEG quality, 65 to 98."""
    subsampling_420: bool
    """True: chroma at half resolution (4:2:0); False: full resolution (4:4:4)."""
    noise_seed: int
    """Seed of the numpy Generator that draws the noise."""


def gaussian_taps(radius_px: int, sigma_px: float) -> NDArray[np.float64]:
    """Return the `2 * radius_px + 1` taps of a sampled Gaussian, normalised to a sum of one."""
    offsets_px = np.arange(-radius_px, radius_px + 1, dtype=np.float64)
    weights = np.exp(-0.5 * (offsets_px / sigma_px) ** 2)
    return np.asarray(weights / weights.sum())


def gaussian_blur(image: NDArray[np.float32], *, radius_px: int, sigma_px: float) -> NDArray[np.float32]:
    """Blur rows and columns of a (H, W, 3) float32 image of any range; same shape, mirrored border."""
    from scipy.ndimage import correlate1d  # training takes the constants of this file, not scipy

    taps = gaussian_taps(radius_px, sigma_px)
    # scipy's "mirror" is numpy's "reflect": the edge pixel is not repeated.
    rows = correlate1d(image, taps, axis=0, mode="mirror", output=np.float32)
    return np.asarray(correlate1d(rows, taps, axis=1, mode="mirror", output=np.float32))


def halve(image: NDArray[np.float32], resize: ResizeName) -> NDArray[np.float32]:
    """Reduce a (2h, 2w, 3) float32 image to (h, w, 3), antialiased, without rounding between the passes."""
    height_px, width_px = image.shape[0] // 2, image.shape[1] // 2
    channels = [
        # Pillow's mode "F" holds one float32 channel.
        Image.fromarray(np.ascontiguousarray(image[:, :, channel])).resize(
            (width_px, height_px), _RESAMPLING[resize]
        )
        for channel in range(3)
    ]
    return np.stack([np.asarray(channel, dtype=np.float32) for channel in channels], axis=2)


def round_to_8_bit(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round a float image in 8-bit levels to the nearest level (halves to even) and clip it to 0-255."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def crop_to_even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drop the last row and column of a (H, W, 3) image where H or W is odd."""
    return image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]


def paper(hr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gaussian 7x7 of sigma 5 at full size, antialiased bilinear to half size, 8 bit.

    Args:
        hr: (H, W, 3) uint8 RGB.

    Returns:
        (H // 2, W // 2, 3) uint8 RGB.

    Raises:
        ValueError: `hr` is not such an array.
    """
    image = gaussian_blur(_as_float(hr), radius_px=PAPER_BLUR_RADIUS_PX, sigma_px=PAPER_BLUR_SIGMA_PX)
    return round_to_8_bit(halve(image, "bilinear"))


def paper_alt(hr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Antialiased bilinear to half size, then the blur of `paper` at half size, 8 bit. Shapes as `paper`."""
    image = halve(_as_float(hr), "bilinear")
    return round_to_8_bit(gaussian_blur(image, radius_px=PAPER_BLUR_RADIUS_PX, sigma_px=PAPER_BLUR_SIGMA_PX))


def bicubic(hr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Antialiased bicubic (a = -0.5) to half size, 8 bit. Shapes as `paper`."""
    return round_to_8_bit(halve(_as_float(hr), "bicubic"))


def real(hr: NDArray[np.uint8], *, name: str) -> NDArray[np.uint8]:
    """Blur, reduce, add noise and compress as JPEG, by parameters that follow from the file's name.

    Args:
        hr: (H, W, 3) uint8 RGB.
        name: The file's name without folders (`Path.name`), so that moving a folder changes nothing.

    Returns:
        (H // 2, W // 2, 3) uint8 RGB.
    """
    return apply_real(hr, real_parameters(name))


def real_parameters(name: str) -> RealParameters:
    """Draw the parameters of `real` for a file name; the same name always gives the same ones."""
    seed = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest(), "big")
    generator = np.random.default_rng(seed)
    # Every number is drawn, used or not, in this order: leaving one out would change all that follow.
    blurred = bool(generator.random() < 0.5)
    sigma_px = float(generator.uniform(*BLUR_SIGMA_RANGE_PX))
    resize = RESIZE_NAMES[int(generator.integers(len(RESIZE_NAMES)))]
    noise_sigma = float(generator.uniform(*NOISE_SIGMA_RANGE))
    quality = int(generator.integers(JPEG_QUALITY_RANGE[0], JPEG_QUALITY_RANGE[1], endpoint=True))
    subsampling_420 = bool(generator.random() < 0.5)
    return RealParameters(
        blur_sigma=sigma_px if blurred else None,
        resize=resize,
        noise_sigma=noise_sigma,
        jpeg_quality=quality,
        subsampling_420=subsampling_420,
        noise_seed=int(generator.integers(2**63)),
    )


def apply_real(
    hr: NDArray[np.uint8], parameters: RealParameters, noise: NDArray[np.float32] | None = None
) -> NDArray[np.uint8]:
    """Apply `real` with given parameters: blur, halve, noise, round, JPEG and back.

    Args:
        hr: (H, W, 3) uint8 RGB.
        parameters: What to do.
        noise: (H // 2, W // 2, 3) float32 of standard deviation 1, scaled by `parameters.noise_sigma`;
            None: drawn from `parameters.noise_seed`.

    Returns:
        (H // 2, W // 2, 3) uint8 RGB.
    """
    image = _as_float(hr)
    if parameters.blur_sigma is not None:
        radius_px = math.ceil(3 * parameters.blur_sigma)
        image = gaussian_blur(image, radius_px=radius_px, sigma_px=parameters.blur_sigma)
    image = halve(image, parameters.resize)
    if noise is None:
        generator = np.random.default_rng(parameters.noise_seed)
        noise = generator.standard_normal(image.shape, dtype=np.float32)
    noisy = round_to_8_bit(image + np.float32(parameters.noise_sigma) * noise)
    return jpeg_round_trip(noisy, quality=parameters.jpeg_quality, subsampling_420=parameters.subsampling_420)


def jpeg_round_trip(image: NDArray[np.uint8], *, quality: int, subsampling_420: bool) -> NDArray[np.uint8]:
    """Compress a (H, W, 3) uint8 RGB image as JPEG and decode it again; same shape."""
    buffer = io.BytesIO()
    subsampling = "4:2:0" if subsampling_420 else "4:4:4"
    Image.fromarray(np.ascontiguousarray(image)).save(
        buffer, format="JPEG", quality=quality, subsampling=subsampling
    )
    with Image.open(buffer) as decoded:
        return np.array(decoded.convert("RGB"))


DEGRADATIONS: dict[str, Callable[[NDArray[np.uint8], str], NDArray[np.uint8]]] = {
    "paper": lambda hr, name: paper(hr),
    "paper-alt": lambda hr, name: paper_alt(hr),
    "bicubic": lambda hr, name: bicubic(hr),
    "real": lambda hr, name: real(hr, name=name),
}
"""By name: from a (H, W, 3) uint8 RGB photograph and its file name, which only `real` uses."""

REPEATABLE: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "paper": paper,
    "paper-alt": paper_alt,
    "bicubic": bicubic,
}
"""Those that do the same to every photograph, so that a result can be degraded again and compared with its
input. The noise and the JPEG of `real` are meant to be removed: a good result does not have them to give
back."""


def _as_float(hr: NDArray[np.uint8]) -> NDArray[np.float32]:
    if hr.dtype != np.uint8 or hr.ndim != 3 or hr.shape[2] != 3 or min(hr.shape[:2]) < 2:
        raise ValueError(f"expected (H, W, 3) uint8 of at least 2x2 pixels, got {hr.shape} {hr.dtype}")
    return crop_to_even(hr).astype(np.float32)
