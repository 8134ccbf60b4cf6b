"""HEIC, through the optional package pillow-heif."""

from __future__ import annotations

from pathlib import Path

from facesr_cli.errors import UnreadablePhotoError, WriteFailedError
from facesr_cli.photo.containers import first_bytes, is_heif

_REMEDY = "Install the extra: pip install 'facesr-cli[heif]'."


def prepare(path: Path) -> None:
    """Make Pillow read HEIC if `path` is one, and do nothing otherwise.

    Raises:
        UnreadablePhotoError: `missing-extra`, with the name of the extra.
    """
    head = first_bytes(path)
    if not is_heif(head) or _registered():
        return
    if head[8:12] in (b"mif1", b"msf1"):
        return  # may be AVIF, which Pillow reads itself
    raise UnreadablePhotoError("missing-extra", f"{path}: is HEIC, which needs another package. {_REMEDY}")


def prepare_writing() -> None:
    """Make Pillow write HEIC, or raise `WriteFailedError` with reason `missing-extra`."""
    if not _registered():
        raise WriteFailedError("missing-extra", f"HEIC needs another package. {_REMEDY}")


def _registered() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
