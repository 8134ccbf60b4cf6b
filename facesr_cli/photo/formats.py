"""The kinds of file that are read and written, and how file extensions name them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias, get_args

FormatChoice: TypeAlias = Literal["same", "png", "jpeg", "webp", "tiff"]
"""What a user asks for; `same` is the kind that the source's extension names."""

FORMAT_CHOICES: tuple[FormatChoice, ...] = get_args(FormatChoice)


class FileFormat(StrEnum):
    """A kind of file that `encode` writes; the value is the word used in options and messages."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    TIFF = "tiff"
    AVIF = "avif"
    HEIF = "heif"
    """HEIC, with the extra `heif`."""

    @property
    def suffix(self) -> str:
        """The extension given to a file whose source has another kind."""
        return {FileFormat.JPEG: ".jpg", FileFormat.HEIF: ".heic"}.get(self, f".{self.value}")

    @property
    def max_side_px(self) -> int | None:
        """Longest side that the file format can express; None where memory ends first."""
        return _MAX_SIDE_PX.get(self)

    @property
    def lossy(self) -> bool:
        """Whether `--quality` means anything to this format as we write it."""
        return self in (FileFormat.JPEG, FileFormat.WEBP, FileFormat.AVIF, FileFormat.HEIF)


# JPEG: JPEG_MAX_DIMENSION of libjpeg; WebP: 14 bits of the frame header; AVIF: 16 bits of the AV1 header;
# HEIC: what the largest level of HEVC, 6.2, allows on a side, rounded down.
_MAX_SIDE_PX = {
    FileFormat.JPEG: 65_500,
    FileFormat.WEBP: 16_383,
    FileFormat.AVIF: 65_536,
    FileFormat.HEIF: 16_384,
}

_WRITTEN_AS_IS = {
    ".jpg": FileFormat.JPEG,
    ".jpeg": FileFormat.JPEG,
    ".jpe": FileFormat.JPEG,
    ".jfif": FileFormat.JPEG,
    ".png": FileFormat.PNG,
    ".webp": FileFormat.WEBP,
    ".tif": FileFormat.TIFF,
    ".tiff": FileFormat.TIFF,
    ".avif": FileFormat.AVIF,
    # Listed whether or not the extra is there: without it a folder of phone photographs has to fail by name
    # instead of being passed over in silence.
    ".heic": FileFormat.HEIF,
    ".heif": FileFormat.HEIF,
}

# Read, but written as another kind: BMP and GIF have no room for profiles and metadata.
_WRITTEN_AS_OTHER = {
    ".bmp": FileFormat.PNG,
    ".dib": FileFormat.PNG,
    ".gif": FileFormat.PNG,
    ".apng": FileFormat.PNG,
}

PHOTO_SUFFIXES = frozenset(_WRITTEN_AS_IS) | frozenset(_WRITTEN_AS_OTHER)
"""Extensions, in lower case with the dot, of files that are picked up from a directory."""

# Pillow's names of what it read, for the kinds that we also write. MPO is a JPEG with further pictures.
_PILLOW_NAMES = {
    "JPEG": FileFormat.JPEG,
    "MPO": FileFormat.JPEG,
    "PNG": FileFormat.PNG,
    "WEBP": FileFormat.WEBP,
    "TIFF": FileFormat.TIFF,
    "AVIF": FileFormat.AVIF,
    "HEIF": FileFormat.HEIF,
}


def format_of_suffix(suffix: str) -> FileFormat | None:
    """Return the kind that an output called `suffix` (".JPG") holds; None for a suffix we do not write."""
    return _WRITTEN_AS_IS.get(suffix.lower())


def format_of_source(pillow_format: str) -> FileFormat:
    """Return the kind that `same` means for a decoded photograph, PNG where its own kind is not written."""
    return _PILLOW_NAMES.get(pillow_format, FileFormat.PNG)


def output_suffix(source_suffix: str, choice: FormatChoice) -> str:
    """Return the extension of the output for a source called `source_suffix`.

    The source's own spelling (".JPG", ".jpeg") is kept wherever it already names the kind that is written.
    """
    suffix = source_suffix.lower()
    own = _WRITTEN_AS_IS.get(suffix)
    if choice == "same":
        if own is not None:
            return source_suffix
        return _WRITTEN_AS_OTHER.get(suffix, FileFormat.PNG).suffix
    wanted = FileFormat(choice)
    return source_suffix if own is wanted else wanted.suffix
