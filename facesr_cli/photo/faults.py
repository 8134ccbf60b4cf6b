"""Why a photograph could not be read: turns what the operating system and Pillow raise into typed reasons."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from facesr_cli.errors import UnreadablePhotoError
from facesr_cli.photo.containers import first_bytes, is_avif, is_heif

# First bytes of files that are photographs even where Pillow cannot make sense of the rest.
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Fragments of Pillow's messages for data that ends early; there is no exception class of its own for it.
_TRUNCATED = ("truncated", "unexpected end", "not enough data", "eof", "could not read", "bad image offset")


def check_is_file(path: Path) -> None:
    """Raise `UnreadablePhotoError` unless `path` is a regular file with something in it.

    A named pipe or a device is refused here, because opening one may wait for ever.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:  # a NUL byte in the name
        raise UnreadablePhotoError("not-found", f"{path}: not a valid file name.") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadablePhotoError("is-a-directory", f"{path}: is a directory, not a photograph.")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadablePhotoError("not-a-file", f"{path}: is a pipe or a device, not a file.")
    if status.st_size == 0:
        raise UnreadablePhotoError("empty-file", f"{path}: has no bytes. Copy it again from its origin.")


def unreadable(path: Path, error: Exception) -> UnreadablePhotoError:
    """Return the typed error for `error`, raised while `path` was looked up, opened or decoded."""
    reason, sentence = _classify(path, error)
    return UnreadablePhotoError(reason, f"{path}: {sentence}")


def _classify(path: Path, error: Exception) -> tuple[str, str]:
    if isinstance(error, PermissionError):
        return "no-permission", "may not be read by this user. Change its permissions."
    if isinstance(error, FileNotFoundError):
        return "not-found", "does not exist, or is a link to nothing."
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "not-found", "is a link that leads back to itself."
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        limit_mpx = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        return (
            "too-large",
            f"has more than {limit_mpx:.4g} megapixels. Raise --max-megapixels if it is meant to.",
        )
    if isinstance(error, MemoryError):
        return "out-of-memory", "does not fit into memory. Close other programs or cut it into parts."
    if isinstance(error, UnidentifiedImageError):
        return _classify_unidentified(path)
    text = str(error).lower()
    if isinstance(error, EOFError) or any(fragment in text for fragment in _TRUNCATED):
        return "truncated", f"ends too early ({error}). Copy it again from its origin."
    if isinstance(error, OSError) and error.errno is not None:
        return "unreadable", f"cannot be read: {error.strerror or error}."
    return (
        "damaged",
        f"cannot be decoded ({type(error).__name__}: {error}). Open it elsewhere and save it anew.",
    )


def _classify_unidentified(path: Path) -> tuple[str, str]:
    head = first_bytes(path)
    webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    if webp or head.startswith(_MAGIC) or is_heif(head) or is_avif(head):
        return "damaged", "starts like a photograph, but its header is broken. Copy it again from its origin."
    if head.startswith((b"%!", b"\xc5\xd0\xd3\xc6")):
        return (
            "not-an-image",
            "is a PostScript document, not a photograph. Convert it to PNG, or --exclude it.",
        )
    return "not-an-image", "is not an image that Pillow knows. Convert it to JPEG or PNG, or --exclude it."
