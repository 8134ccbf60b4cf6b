"""From a `Photo` to the bytes of a file, and what a file format cannot hold of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from facesr_cli.errors import WriteFailedError
from facesr_cli.photo import heif, packets
from facesr_cli.photo.bands import Banded, bands
from facesr_cli.photo.formats import FileFormat
from facesr_cli.photo.memory_file import saved
from facesr_cli.photo.metadata import exif_for_output
from facesr_cli.photo.photograph import Photo, Samples
from facesr_cli.photo.png import LEVEL, png16
from facesr_cli.photo.profile import banded_from_srgb, colour_space, image_to_srgb
from facesr_cli.photo.tiff import Extras, tiff
from facesr_cli.photo.transparency import on_white

DEFAULT_QUALITY = 95
"""Of JPEG, WebP, AVIF and HEIC. Their chroma is stored at full resolution where the format can (not WebP)."""

_DEEP_FORMATS = (FileFormat.PNG, FileFormat.TIFF)
_JPEG_SEGMENT_BYTES = 65_533
"""What a JPEG holds of one kind of metadata, header of the segment included."""
_JPEG_HEADROOM = 200
"""Of it, kept free for that header and for the Software tag."""


def fit_to_format(photo: Photo, file_format: FileFormat) -> Photo:
    """Return the photo without what `file_format` cannot hold, each loss said in `notes`.

    The samples stay as they are, so that no second copy of a large picture is needed: where the format has no
    16 bits or no alpha (JPEG), `encode` reduces them to 8, and composes the picture on white in the colours
    of its own profile, while it writes.
    """
    notes = list(photo.notes)
    alpha = photo.alpha
    exif, xmp, iptc, comments = photo.exif, photo.xmp, photo.iptc, photo.comments
    if _is_reduced(photo, file_format):
        notes.append(f"16 bits are reduced to 8 for {file_format}")
    if alpha is not None and file_format is FileFormat.JPEG:
        if alpha.min() == np.iinfo(alpha.dtype).max:
            alpha = None
        else:
            notes.append("transparency is composed on white for jpeg")
    if iptc is not None and file_format not in (FileFormat.JPEG, FileFormat.PNG, FileFormat.TIFF):
        iptc = None
        notes.append(f"IPTC has no place in {file_format} and is not kept")
    if comments and file_format is FileFormat.JPEG:
        comments = tuple(entry for entry in comments if entry[0] == "Comment")[:1]
    elif comments and file_format is not FileFormat.PNG:
        comments = ()
    if len(comments) < len(photo.comments):
        notes.append(f"text comments have no place in {file_format} and are not kept")
    if file_format is FileFormat.JPEG:
        room = _JPEG_SEGMENT_BYTES - _JPEG_HEADROOM
        for name, block in (("EXIF", exif), ("XMP", xmp), ("IPTC", iptc)):
            if block is not None and len(block) > room:
                notes.append(f"{name} is too long for jpeg and not kept")
        exif, xmp, iptc = (
            block if block is not None and len(block) <= room else None for block in (exif, xmp, iptc)
        )
    return replace(
        photo,
        alpha=alpha,
        exif=exif,
        xmp=xmp,
        iptc=iptc,
        comments=comments,
        notes=tuple(notes),
    )


def check_side(size: tuple[int, int], file_format: FileFormat) -> None:
    """Raise WriteFailedError `format-limit` where a picture of (width, height) is too long for the format."""
    limit = file_format.max_side_px
    if limit is not None and max(size) > limit:
        raise WriteFailedError(
            "format-limit",
            f"{size[0]}x{size[1]} pixels do not fit into {file_format} (at most {limit} a side). "
            "Use --format png or tiff.",
        )


def encode(
    photo: Photo,
    *,
    file_format: FileFormat,
    quality: int | None = None,
    metadata: Literal["keep", "strip"] = "keep",
    software: str | None = None,
) -> bytes:
    """Return the bytes of a complete file.

    Args:
        photo: What to write; call `fit_to_format` first to learn what the format loses.
        file_format: The kind of file.
        quality: 1-100 for JPEG, WebP, AVIF and HEIC. 95 when None, except that WebP is then lossless for
            sources that were. PNG and TIFF are lossless and ignore it.
        metadata: `strip` leaves out EXIF, XMP, IPTC, comments, resolution and `software`. The colour profile
            always stays: it is part of the colours.
        software: For the Software tag of EXIF: the name of tool and model. None leaves it as it is.

    Raises:
        WriteFailedError: `format-limit` where the picture is too large for the format, `missing-extra` where
            HEIC cannot be written, else `encode-failed`.
    """
    photo = fit_to_format(photo, file_format)
    if metadata == "strip":
        photo = replace(photo, exif=None, xmp=None, iptc=None, comments=(), dpi=None)
        software = None
    check_side(photo.size, file_format)
    if file_format is FileFormat.HEIF:
        heif.prepare_writing()
    try:
        return _encode(photo, file_format, quality, software)
    except WriteFailedError:
        raise
    except Exception as error:  # the documented boundary: encoders raise what they like
        raise WriteFailedError(
            "encode-failed",
            f"cannot be written as {file_format} ({type(error).__name__}: {error}). "
            "Try another --format, or --metadata strip.",
        ) from error


def _encode(photo: Photo, file_format: FileFormat, quality: int | None, software: str | None) -> bytes:
    samples, profile = _samples(photo, file_format)
    # For AVIF, Pillow takes the orientation out and lays EXIF out anew, with other types and texts.
    orientation = file_format is not FileFormat.AVIF
    exif = exif_for_output(photo.exif, size=photo.size, software=software, orientation=orientation)
    xmp = None if photo.xmp is None else packets.xmp_for_size(photo.xmp, photo.size)
    if file_format is FileFormat.TIFF:
        return tiff(samples, Extras(exif=exif, icc_profile=profile, xmp=xmp, iptc=photo.iptc, dpi=photo.dpi))
    options = _options(file_format, quality, lossless=photo.lossless)
    if profile is not None:
        options["icc_profile"] = profile
    if exif is not None:
        options["exif"] = exif.tobytes()
    if xmp is not None and file_format is not FileFormat.PNG:
        options["xmp"] = xmp
    if photo.dpi is not None and file_format in (FileFormat.JPEG, FileFormat.PNG):
        options["dpi"] = photo.dpi
    if file_format is FileFormat.JPEG:
        options |= _jpeg_options(photo)
    if file_format is FileFormat.PNG:
        options["pnginfo"] = _png_texts(photo, xmp)
        if samples.dtype == np.uint16 and samples.shape[2] > 1:
            return png16(samples, options)
    return saved(_pillow_image(samples), file_format.value, **options)


def _pillow_image(samples: Banded) -> Image.Image:
    """Make Pillow's own copy band by band, without one of ours in between."""
    height, width, channels = samples.shape
    image: Image.Image | None = None
    for rows in bands(height, width):
        made = samples.make(rows)
        band = Image.fromarray(made[:, :, 0] if channels == 1 else made)
        if band.height == height:
            return band
        if image is None:
            image = Image.new(band.mode, (width, height))
        image.paste(band, (0, rows.start))
    assert image is not None  # a photograph has at least one row
    return image


def _samples(photo: Photo, file_format: FileFormat) -> tuple[Banded, bytes | None]:
    """Return (H, W, C) in the colours and channels of the file, and the profile that describes them."""
    reduced = _is_reduced(photo, file_format)
    colours, profile = _colours(photo, file_format, reduced=reduced)
    if photo.alpha is None:
        return colours, profile
    alpha = _samples_of(photo.alpha, reduced=reduced)
    height, width, channels = colours.shape
    if file_format is FileFormat.JPEG:

        def composed(rows: slice) -> Samples:
            return on_white(colours.make(rows), alpha(rows))

        return Banded(shape=colours.shape, dtype=colours.dtype, make=composed), profile
    if channels == 1 and file_format is FileFormat.TIFF and colours.dtype == np.uint16 and profile is None:
        channels = 3  # few programs, Pillow not among them, read grey with alpha; a grey profile needs grey

    def with_alpha(rows: slice) -> Samples:
        band = colours.make(rows)
        joined = np.empty((*band.shape[:2], channels + 1), dtype=band.dtype)
        joined[:, :, :-1], joined[:, :, -1] = band, alpha(rows)
        return joined

    return Banded(shape=(height, width, channels + 1), dtype=colours.dtype, make=with_alpha), profile


def _colours(photo: Photo, file_format: FileFormat, *, reduced: bool) -> tuple[Banded, bytes | None]:
    """Return the same without alpha; in 8 bits where `reduced`."""
    height, width = photo.pixels.shape[:2]
    pixels, profile = _samples_of(photo.pixels, reduced=reduced), photo.icc_profile
    dtype = np.dtype(np.uint8) if reduced else photo.pixels.dtype
    if not photo.grey:
        rgb = Banded(shape=photo.pixels.shape, dtype=photo.pixels.dtype, make=lambda rows: photo.pixels[rows])
        if profile is not None:  # in the depth of the source: only so is it the inverse of what `decode` did
            rgb = banded_from_srgb(rgb, photo.residual, profile)
        return (_in_eight_bits(rgb) if reduced else rgb), profile

    def grey(rows: slice) -> Samples:
        return _luma(pixels(rows))[:, :, np.newaxis]

    if _without_grey(file_format) and profile is not None and colour_space(profile) == "GRAY":
        grey_profile = profile  # on RGB pixels it would be wrong

        def colour(rows: slice) -> Samples:
            return np.asarray(image_to_srgb(Image.fromarray(_luma(pixels(rows))), grey_profile))

        return Banded(shape=(height, width, 3), dtype=dtype, make=colour), None
    return Banded(shape=(height, width, 1), dtype=dtype, make=grey), profile


def _is_reduced(photo: Photo, file_format: FileFormat) -> bool:
    return photo.pixels.dtype == np.uint16 and file_format not in _DEEP_FORMATS


def _samples_of(samples: Samples, *, reduced: bool) -> Callable[[slice], Samples]:
    """Return a function from rows to those of `samples`, in 8 bits where `reduced`."""
    return (lambda rows: _to_eight_bits(samples[rows])) if reduced else (lambda rows: samples[rows])


def _without_grey(file_format: FileFormat) -> bool:
    return file_format in (FileFormat.WEBP, FileFormat.AVIF)  # as Pillow writes them


def _luma(pixels: Samples) -> Samples:
    """(H, W, 3) to (H, W) with the BT.601 weights, rounded; equal channels come out unchanged."""
    red, green, blue = (pixels[:, :, channel].astype(np.uint32) for channel in range(3))
    values = (299 * red + 587 * green + 114 * blue + 500) // 1000
    return values.astype(np.uint8) if pixels.dtype == np.uint8 else values.astype(np.uint16)


def _to_eight_bits(samples: Samples) -> NDArray[np.uint8]:
    """0-65535 to 0-255, rounded; 257 is exactly 65535 / 255."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _in_eight_bits(samples: Banded) -> Banded:
    """The same picture, its bands reduced as they are made."""
    return Banded(
        shape=samples.shape, dtype=np.dtype(np.uint8), make=lambda rows: _to_eight_bits(samples.make(rows))
    )


def _options(file_format: FileFormat, quality: int | None, *, lossless: bool) -> dict[str, Any]:
    """Options of Pillow's writers for the pixels."""
    level = DEFAULT_QUALITY if quality is None else quality
    if file_format in (FileFormat.JPEG, FileFormat.AVIF):
        return {"quality": level, "subsampling": "4:4:4"}
    if file_format is FileFormat.HEIF:
        return {"quality": level, "chroma": 444}
    if file_format is FileFormat.WEBP:
        # exact: colour under transparent pixels is the user's, not ours to clear
        how: dict[str, Any] = {"lossless": True} if lossless and quality is None else {"quality": level}
        return how | {"exact": True}
    if file_format is FileFormat.PNG:
        return {"compress_level": LEVEL}
    return {}


def _jpeg_options(photo: Photo) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if photo.iptc is not None:
        options["extra"] = packets.iptc_for_jpeg(photo.iptc)
    if photo.comments:
        options["comment"] = photo.comments[0][1].encode("utf-8", "replace")[:_JPEG_SEGMENT_BYTES]
    return options


def _png_texts(photo: Photo, xmp: bytes | None) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    for keyword, text in photo.comments:
        chunks.add_text(keyword, text)  # becomes iTXt by itself where Latin-1 is not enough
    if xmp is not None:
        chunks.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    if photo.iptc is not None:
        chunks.add_text(*packets.iptc_for_png(photo.iptc), zip=True)
    return chunks
