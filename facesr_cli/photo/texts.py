"""Comments and text chunks: words of people, apart from EXIF, XMP and IPTC."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

_PNG_HEADER_BYTES = 8
_MAX_TEXT_BYTES = 64 << 20  # of all texts of a PNG together, as Pillow limits them
_NOT_COMMENTS = ("XML:com.adobe.xmp", "Raw profile type ")  # XMP and blocks, which travel on their own


def read_comments(image: Image.Image, path: Path) -> tuple[tuple[str, str], ...]:
    """Return (keyword, text) of PNG text chunks, or the comments of a JPEG or GIF, of a decoded image."""
    if image.format == "PNG":
        return tuple(entry for entry in _png_texts(path) if not entry[0].startswith(_NOT_COMMENTS))
    comments = [content for name, content in getattr(image, "applist", ()) if name == "COM"]
    if not comments:
        comments = [image.info.get("comment")]
    found = (_as_text(comment) for comment in comments)
    return tuple(("Comment", text) for text in found if text.strip("\0 "))


def _as_text(comment: Any) -> str:
    """UTF-8, or Latin-1 where it is not: neither JPEG nor GIF says."""
    if not isinstance(comment, bytes):
        return comment if isinstance(comment, str) else ""
    try:
        return comment.decode("utf-8")
    except UnicodeDecodeError:
        return comment.decode("latin-1")


def _png_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (keyword, text) in the order of the file; Pillow keeps only the last of each keyword.

    A chunk that cannot be unpacked is passed over, as Pillow does.
    """
    room = _MAX_TEXT_BYTES
    for name, body in _png_chunks(path):
        keyword, _, rest = body.partition(b"\0")
        try:
            if name == b"tEXt":
                text = rest.decode("latin-1")
            elif name == b"zTXt":
                text = _inflated(rest[1:], room).decode("latin-1")
            else:  # iTXt: flag, method, language, keyword in that language, text
                packed, content = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
                text = (_inflated(content, room) if packed else content).decode("utf-8")
        except (zlib.error, UnicodeDecodeError):
            continue
        room -= len(text)
        if room < 0:
            return
        if keyword:
            yield keyword.decode("latin-1"), text


def _inflated(content: bytes, most: int) -> bytes:
    return zlib.decompressobj().decompress(content, most + 1)


def _png_chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, body) of the text chunks, wherever in the file they stand."""
    with path.open("rb") as file:
        file.seek(_PNG_HEADER_BYTES)
        while len(header := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", header)
            if name in (b"tEXt", b"zTXt", b"iTXt"):
                body = file.read(length)
                if len(body) < length:
                    return
                yield name, body
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
