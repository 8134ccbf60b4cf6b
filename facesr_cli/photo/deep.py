"""Samples of 16 bits per channel, which Pillow reads but hands out as 8: both halves of each are fetched.

Pillow has no 16-bit colour mode. Its decoders do see all bits, though, and which byte of a sample they keep
is a word in the tile descriptor ("RGB;16B": the first one). So a file is decoded twice, once for the high
bytes and once for the low ones, with Pillow's own handling of filters, interlacing, compression and damage.

Libraries that were weighed instead: OpenCV (a wheel of 61 MB) and imagecodecs (26 MB) read and write 16 bits
but drop the metadata; pypng undoes PNG filters in Python, a hundred times slower; tifffile alone, which
scikit-image brings along, does not read LZW. It is used for the layouts of TIFF that Pillow does not know.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from facesr_cli.errors import UnreadablePhotoError
from facesr_cli.photo.opening import opened
from facesr_cli.photo.photograph import Samples

GREY_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes for grey of up to 16 bits."""

# TIFF 6.0
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT, _SUBSAMPLING = 258, 262, 284, 339, 530
_PROFILE = 34675  # ICC.1:2022, B.4
# The raw mode that fetches the other byte of each sample. "N" is the byte order of this machine; swapping is
# its own inverse, so which of the two comes out as "high" is settled by the raw mode that Pillow chose.
_OTHER_BYTE = {"16B": "16L", "16L": "16B"}


class Deep(NamedTuple):
    """16-bit samples of a file as it stores them."""

    samples: Samples
    """(H, W, C): C is 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; not premultiplied. uint8 only from
    `read_with_tifffile`."""
    transparent: tuple[int, ...] | None
    """The one colour that counts as transparent (PNG tRNS), as many numbers as colour channels."""
    pages: int = 1
    """Pictures in the file, this one included; only from `read_with_tifffile`."""
    icc_profile: bytes | None = None
    """Only from `read_with_tifffile`."""


def read_deep(path: Path, image: ImageFile.ImageFile) -> Deep | None:
    """Return all 16 bits of `image`, just opened from `path` and not loaded; None where 8 bits are all.

    The EXIF orientation is not applied, except that Pillow does it for TIFF, as in `image` itself.

    Raises:
        UnreadablePhotoError: `unsupported-mode` for layouts of TIFF that cannot be read.
        Exception: What Pillow raises for damaged files.
    """
    if _is_misread(image):
        raise unsupported(path)
    if image.mode in GREY_MODES:
        return _grey(image)
    if not image.tile or _highest_depth(image) <= 8:
        return None
    if _tag(image, _PLANAR) == 2:
        planes = read_with_tifffile(path)
        if planes is None:
            raise unsupported(path)
        return planes
    raw_mode = _raw_mode(image.tile[0].args)
    if raw_mode == "LA;16B":
        # Opened as RGBA of 8 bits: the four bytes of a pixel are then grey and alpha, high byte first.
        image.tile = [tile._replace(args=_with_raw_mode(tile.args, "RGBA")) for tile in image.tile]
        pairs: NDArray[np.uint16] = np.asarray(image).astype(np.uint16)
        return Deep(_joined(pairs[:, :, 0::2], pairs[:, :, 1::2]), None)
    if not raw_mode.startswith(("RGB;16", "RGBA;16", "RGBX;16", "RGBa;16")):
        return None  # CMYK: its conversion is for 8 bits, and `decode` says so
    premultiplied = raw_mode.startswith("RGBa")
    if premultiplied:  # Pillow would undo it for each half alone
        raw_mode = raw_mode.replace("RGBa", "RGBA")
        image.tile = [tile._replace(args=_with_raw_mode(tile.args, raw_mode)) for tile in image.tile]
    high: NDArray[np.uint16] = np.asarray(image).astype(np.uint16)
    with opened(path) as again:
        again.tile = [
            tile._replace(args=_with_raw_mode(tile.args, _swapped(raw_mode))) for tile in again.tile
        ]
        samples = _joined(high, np.asarray(again))
    if premultiplied:
        samples = _straight(samples)
    key = image.info.get("transparency")
    return Deep(samples, key if isinstance(key, tuple) and len(key) == 3 else None)


def is_reduced(image: ImageFile.ImageFile) -> bool:
    """Return whether an opened image that `read_deep` has declined has more than 8 bits per sample."""
    return image.mode not in GREY_MODES and _highest_depth(image) > 8


def read_with_tifffile(path: Path) -> Deep | None:
    """Read the first page of a TIFF of grey or RGB of 8 or 16 bits, with or without alpha, in planes or not.

    Returns None for everything else, also where a codec is missing. Raises what tifffile does for damage.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        if not _is_known(page) or page.photometric not in (0, 1, 2) or page.imagedepth != 1:
            return None
        limit = Image.MAX_IMAGE_PIXELS
        if limit is not None and page.imagewidth * page.imagelength > 2 * limit:
            raise Image.DecompressionBombError(f"{page.imagewidth}x{page.imagelength} pixels")
        try:
            samples = np.asarray(page.asarray())
        except ValueError as error:
            if "imagecodecs" in str(error):  # tifffile has no class of its own for a codec that is missing
                return None
            raise
        pages, profile = len(file.pages), page.tags.valueof(_PROFILE)
        planar = page.planarconfig == 2 and samples.ndim == 3
        inverted, extra = page.photometric == 0, tuple(page.extrasamples)
    if samples.ndim == 2:
        samples = samples[:, :, np.newaxis]
    elif planar:
        samples = np.moveaxis(samples, 0, 2)
    colours = 3 if samples.shape[2] >= 3 else 1
    has_alpha = extra[:1] in ((1,), (2,))  # ExtraSamples 0 is anything
    # Native byte order, and no longer a view of what else is there.
    kept: Any = samples[:, :, : colours + has_alpha].astype(f"u{samples.dtype.itemsize}")
    if inverted:
        kept[:, :, 0] = np.iinfo(kept.dtype).max - kept[:, :, 0]
    return Deep(
        _straight(kept) if extra[:1] == (1,) else kept,
        None,
        pages,
        profile if isinstance(profile, bytes) else None,
    )


def size_with_tifffile(path: Path) -> tuple[int, int] | None:
    """Return (width, height) of a TIFF for which `read_with_tifffile` may have a way; None otherwise."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        return (page.imagewidth, page.imagelength) if _is_known(page) else None


def _is_known(page: Any) -> bool:
    return page.dtype in (np.uint8, np.uint16) and page.bitspersample == 8 * page.dtype.itemsize


def _is_misread(image: ImageFile.ImageFile) -> bool:
    """Whether Pillow opens a TIFF whose samples it takes for others: signed, or with halved chroma."""
    formats = _tag(image, _SAMPLE_FORMAT)
    if 2 in (formats if isinstance(formats, tuple) else (formats,)) and image.mode == "L":
        return True
    # Section 21 of TIFF 6.0; libtiff spreads chroma for compressed data, Pillow's own decoder does not.
    halved = _tag(image, _PHOTOMETRIC) == 6 and _tag(image, _SUBSAMPLING) not in ((1, 1), [1, 1])
    return halved and image.info.get("compression") == "raw"


def _grey(image: ImageFile.ImageFile) -> Deep:
    """Grey as Pillow reads it, brought to the full range and to black at 0."""
    samples: NDArray[np.uint16] = np.asarray(image).astype(np.uint16)
    if _highest_depth(image) == 12:
        samples = np.bitwise_or(np.left_shift(samples, 4), np.right_shift(samples, 8), dtype=np.uint16)
    if _tag(image, _PHOTOMETRIC) == 0:  # white is zero; Pillow inverts that for 8 bits only
        samples = np.subtract(65535, samples, dtype=np.uint16)
    key = image.info.get("transparency")
    return Deep(samples[:, :, np.newaxis], (key,) if isinstance(key, int) else None)


def _joined(high: NDArray[Any], low: NDArray[Any]) -> NDArray[np.uint16]:
    """Two planes of bytes, each in any dtype, to the samples they make up."""
    samples: NDArray[np.uint16] = np.left_shift(high, 8, dtype=np.uint16)
    samples |= low.astype(np.uint16, copy=False)
    return samples


def _straight(samples: NDArray[Any]) -> NDArray[Any]:
    """Undo premultiplied alpha, the last channel."""
    highest = np.iinfo(samples.dtype).max
    alpha = samples[:, :, -1:].astype(np.uint32)
    colour = (samples[:, :, :-1].astype(np.uint32) * highest + alpha // 2) // np.maximum(alpha, 1)
    straight = np.minimum(colour, highest).astype(samples.dtype)
    return np.concatenate([straight, samples[:, :, -1:]], axis=2)


def _highest_depth(image: ImageFile.ImageFile) -> int:
    """Bits per sample that an image states before it is loaded, which forgets the tiles; else 8."""
    bits = _tag(image, _BITS_PER_SAMPLE)
    if bits is not None:
        return max(bits) if isinstance(bits, tuple) else int(bits)
    return 16 if any(";16" in _raw_mode(tile.args) for tile in image.tile) else 8


def _tag(image: ImageFile.ImageFile, number: int) -> Any:
    return getattr(image, "tag_v2", {}).get(number)


def _raw_mode(args: Any) -> str:
    """The raw mode of a tile descriptor: its arguments, or the first of them."""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _with_raw_mode(args: Any, raw_mode: str) -> Any:
    return (raw_mode, *args[1:]) if isinstance(args, tuple) else raw_mode


def _swapped(raw_mode: str) -> str:
    """The raw mode for the low bytes, where `raw_mode` fetches the high ones."""
    colours, depth = raw_mode.split(";")
    if depth == "16N":
        depth = "16L" if np.little_endian else "16B"
    return f"{colours};{_OTHER_BYTE[depth]}"


def unsupported(path: Path) -> UnreadablePhotoError:
    """Return the error for samples of a kind, an order or a compression that nothing here reads."""
    return UnreadablePhotoError(
        "unsupported-mode",
        f"{path}: is a TIFF whose layout is not supported. Save it as RGB or grey of 8 or 16 bits, "
        "unsigned, interleaved.",
    )
