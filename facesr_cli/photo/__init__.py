"""A photograph in and out: decoding, encoding, colour profile, metadata, alpha and bit depth."""

from __future__ import annotations

from facesr_cli.photo.decode import decode, header_size
from facesr_cli.photo.encode import check_side, encode, fit_to_format
from facesr_cli.photo.formats import FileFormat
from facesr_cli.photo.photograph import Photo
from facesr_cli.photo.transparency import bleed

__all__ = ["FileFormat", "Photo", "bleed", "check_side", "decode", "encode", "fit_to_format", "header_size"]
