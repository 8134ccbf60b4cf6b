"""From a `Photo` to the bytes of a file, and what a file format cannot hold of it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin

from facesr_cli.errors import WriteFailedError
from facesr_cli.photo.formats import FileFormat
from facesr_cli.photo.metadata import exif_for_size
from facesr_cli.photo.photograph import Photo, Samples
from facesr_cli.photo.profile import colour_space, from_srgb, image_to_srgb

DEFAULT_QUALITY = 95
"""Of JPEG, WebP and AVIF. Their chroma is stored at full resolution where the format can (not WebP)."""

_SUB_DIRECTORIES = frozenset({ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo})
_XMP_TAG = 700  # of TIFF, XMP specification part 3


def fit_to_format(photo: Photo, file_format: FileFormat) -> Photo:
    """Return the photo without what `file_format` cannot hold, each loss said in `notes`.

    JPEG has no alpha: the picture is composed on white. 16 bits per sample are written for grey PNG and TIFF
    without alpha only, because Pillow writes no other 16-bit kind.
    """
    notes = list(photo.notes)
    pixels, alpha, residual = photo.pixels, photo.alpha, photo.residual
    deep_enough = file_format in (FileFormat.PNG, FileFormat.TIFF) and photo.grey and alpha is None
    if pixels.dtype == np.uint16 and not deep_enough:
        pixels = _to_eight_bits(pixels)
        alpha = None if alpha is None else _to_eight_bits(alpha)
        notes.append(f"16 bits are reduced to 8 for {file_format}")
    if alpha is not None and file_format is FileFormat.JPEG:
        assert pixels.dtype == np.uint8
        opacity = alpha[:, :, np.newaxis].astype(np.float32) / 255
        if alpha.min() < 255:
            notes.append("transparency is composed on white for jpeg")
        pixels = np.rint(pixels * opacity + 255 * (1 - opacity)).astype(np.uint8)
        residual = None if residual is None else np.rint(residual * opacity).astype(np.int16)
        alpha = None
    return replace(photo, pixels=pixels, alpha=alpha, residual=residual, notes=tuple(notes))


def encode(
    photo: Photo,
    *,
    file_format: FileFormat,
    quality: int | None = None,
    metadata: Literal["keep", "strip"] = "keep",
) -> bytes:
    """Return the bytes of a complete file.

    Args:
        photo: What to write; call `fit_to_format` first to learn what the format loses.
        file_format: The kind of file.
        quality: 1-100 for JPEG, WebP and AVIF, 95 when None; PNG and TIFF are lossless and ignore it.
        metadata: `strip` leaves EXIF and XMP out. The colour profile always stays: it is part of the colours.

    Raises:
        WriteFailedError: `format-limit` where the picture is too large for the format, else `encode-failed`.
    """
    photo = fit_to_format(photo, file_format)
    limit = file_format.max_side_px
    if limit is not None and max(photo.size) > limit:
        raise WriteFailedError(
            "format-limit",
            f"{photo.width}x{photo.height} pixels do not fit into {file_format} (at most {limit} a side). "
            "Use --format png or tiff.",
        )
    try:
        image, profile = _image(photo, file_format)
        options = _options(file_format, quality)
        if profile is not None:
            options["icc_profile"] = profile
        if metadata == "keep":
            options |= _metadata_options(photo, file_format)
        buffer = io.BytesIO()
        image.save(buffer, file_format.value, **options)
    except Exception as error:  # the documented boundary: encoders raise what they like
        raise WriteFailedError(
            "encode-failed",
            f"cannot be written as {file_format} ({type(error).__name__}: {error}). "
            "Try another --format, or --metadata strip.",
        ) from error
    return buffer.getvalue()


def _image(photo: Photo, file_format: FileFormat) -> tuple[Image.Image, bytes | None]:
    """Return the Pillow image in the colours of the file, and the profile that describes them."""
    profile = photo.icc_profile
    if photo.grey:
        values = _luma(photo.pixels)
        image = Image.fromarray(values)  # L or I;16
        if file_format is FileFormat.WEBP and profile is not None and colour_space(profile) == "GRAY":
            # WebP has no grey, and a grey profile on RGB pixels is wrong.
            image, profile = image_to_srgb(image, profile), None
    elif profile is not None:
        assert photo.pixels.dtype == np.uint8
        pixels: NDArray[np.uint8] = photo.pixels.astype(np.uint8, copy=False)
        image = Image.fromarray(from_srgb(pixels, photo.residual, profile))
    else:
        image = Image.fromarray(photo.pixels)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    return image, profile


def _luma(pixels: Samples) -> Samples:
    """(H, W, 3) to (H, W) with the BT.601 weights, rounded; equal channels come out unchanged."""
    red, green, blue = (pixels[:, :, channel].astype(np.uint32) for channel in range(3))
    values = (299 * red + 587 * green + 114 * blue + 500) // 1000
    return values.astype(np.uint8) if pixels.dtype == np.uint8 else values.astype(np.uint16)


def _to_eight_bits(samples: Samples) -> NDArray[np.uint8]:
    """0-65535 to 0-255, rounded; 257 is exactly 65535 / 255."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _options(file_format: FileFormat, quality: int | None) -> dict[str, Any]:
    """Options of Pillow's writers."""
    level = DEFAULT_QUALITY if quality is None else quality
    if file_format is FileFormat.JPEG:
        return {"quality": level, "subsampling": "4:4:4"}
    if file_format is FileFormat.AVIF:
        return {"quality": level, "subsampling": "4:4:4"}
    if file_format is FileFormat.WEBP:
        # exact: colour under transparent pixels is the user's, not ours to clear
        return {"quality": level, "exact": True}
    if file_format is FileFormat.TIFF:
        return {"compression": "tiff_adobe_deflate"}
    return {}


def _metadata_options(photo: Photo, file_format: FileFormat) -> dict[str, Any]:
    options: dict[str, Any] = {}
    exif = None if photo.exif is None else exif_for_size(photo.exif, photo.width, photo.height)
    if file_format is FileFormat.TIFF and photo.xmp is not None:
        exif = Image.Exif() if exif is None else exif
        exif[_XMP_TAG] = photo.xmp
    if exif is not None:
        options["exif"] = exif if file_format is FileFormat.TIFF else exif.tobytes()
        if file_format is FileFormat.TIFF and not _SUB_DIRECTORIES.isdisjoint(exif):
            options["compression"] = "raw"  # through libtiff Pillow cannot write sub-directories
    if photo.xmp is None or file_format is FileFormat.TIFF:
        return options
    if file_format is FileFormat.PNG:
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", photo.xmp.decode("utf-8", "replace"))
        options["pnginfo"] = chunks
    else:
        options["xmp"] = photo.xmp
    return options
