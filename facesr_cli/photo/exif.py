"""EXIF blocks and TIFF directories: read entry by entry, written back with the same types and bytes.

Values are never interpreted on the way: text of any encoding, odd types and maker notes come out as they went
in, and one damaged entry costs that entry. Layout: TIFF 6.0, section 2; EXIF: CIPA DC-008; BigTIFF as libtiff
describes it, https://libtiff.gitlab.io/libtiff/specification/bigtiff.html.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

PREFIX = b"Exif\0\0"
"""In front of an EXIF block in JPEG, and by habit elsewhere."""

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SLONG, IFD, UTF8 = 1, 2, 3, 4, 5, 7, 9, 13, 129
"""Types of values, TIFF 6.0 section 2; IFD is of TIFF technical note 1, UTF8 of EXIF 3.0."""

CAMERA, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
"""Tags that point to further directories."""

_LONG8, _SLONG8, _IFD8 = 16, 17, 18
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8}
_SIZES |= {_IFD8: 8, UTF8: 1}
_CODES = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_NARROWED = {_LONG8: LONG, _SLONG8: SLONG, _IFD8: IFD}
_POINTERS = frozenset({CAMERA, GPS, INTEROPERABILITY})
_DIRECTORIES = {None: (CAMERA, GPS), CAMERA: (INTEROPERABILITY,)}
"""Which pointers are followed, by the pointer that led to a directory: the depth is three at most."""

# Far above what cameras write, for blocks that are made to cost time or memory.
_MAX_ENTRIES = 4096
_MAX_BYTES = 1 << 24


Order: TypeAlias = Literal["<", ">"]
"""Byte order as `struct` names it: little-endian, big-endian."""


class ExifError(ValueError):
    """The block has no readable header or first directory."""


class Entry(NamedTuple):
    """One value as it is stored."""

    kind: int
    """Type, as TIFF numbers them."""
    data: bytes
    """All bytes, in the byte order of the block."""


@dataclass(slots=True)
class Directory:
    """Entries by tag, and the directories that entries point to by the tag of the pointer."""

    entries: dict[int, Entry] = field(default_factory=dict)
    directories: dict[int, Directory] = field(default_factory=dict)

    def is_empty(self) -> bool:
        """Return whether nothing is stated here or below."""
        return not self.entries and all(below.is_empty() for below in self.directories.values())


@dataclass(slots=True)
class Exif:
    """An EXIF block, or the first directory of a TIFF."""

    order: Order = "<"
    main: Directory = field(default_factory=Directory)
    damaged: int = 0
    """Entries and directories that were left out because they cannot be read."""
    skipped: set[int] = field(default_factory=set)
    """Tags of the first directory that the caller asked to pass over, and that are there."""

    def number(self, tag: int) -> int | None:
        """Return the first number of an entry of the first directory; None where it holds no integers."""
        return _number(self.main.entries.get(tag), self.order)

    def rational(self, tag: int) -> float | None:
        """Return the first value of an unsigned fraction or an integer of the first directory."""
        entry = self.main.entries.get(tag)
        if entry is None or entry.kind != RATIONAL or len(entry.data) < 8:
            return self.number(tag)
        above, below = struct.unpack_from(f"{self.order}II", entry.data)
        return float(above / below) if below else None

    def entry(self, kind: int, *values: int) -> Entry:
        """Return an entry of integers; those of a RATIONAL come in pairs."""
        return Entry(kind, struct.pack(f"{self.order}{len(values)}{_CODES.get(kind, 'I')}", *values))

    def tobytes(self) -> bytes:
        """Return the block with `PREFIX`."""
        return PREFIX + self.tiff()

    def tiff(self) -> bytes:
        """Return header and directories as a TIFF file begins; the length is even."""
        head = (b"II" if self.order == "<" else b"MM") + struct.pack(f"{self.order}HI", 42, 8)
        return head + _written(self.main, self.order, len(head))


def read_exif(block: bytes, *, skip: frozenset[int] = frozenset()) -> Exif:
    """Read an EXIF block, with or without `PREFIX`.

    Args:
        block: Of any origin; only zeros, or a directory without entries, are an empty `Exif`.
        skip: Tags of the first directory to leave unread.

    Raises:
        ExifError: The header or the first directory cannot be read; nothing else, whatever the bytes are.
    """
    while block.startswith(PREFIX):
        block = block[len(PREFIX) :]
    if not block.strip(b"\0"):
        return Exif()
    return read_tiff(io.BytesIO(block), skip=skip)


def read_tiff(file: BinaryIO, *, skip: frozenset[int] = frozenset()) -> Exif:
    """Read the first directory of a TIFF or BigTIFF, opened in binary; BigTIFF's types become those of TIFF.

    Arguments and errors as in `read_exif`; OSError where the file itself cannot be read.
    """
    reader = _Reader(file, skip)
    reader.read()
    return reader.found


class _Reader:
    """The state of reading one block: what has been found, and what of the limits is used up."""

    def __init__(self, file: BinaryIO, skip: frozenset[int]) -> None:
        self._file, self._skip = file, skip
        self._end = file.seek(0, io.SEEK_END)
        self._seen: set[int] = set()
        self._entries_left, self._bytes_left = _MAX_ENTRIES, _MAX_BYTES
        self._big = False
        self.found = Exif()

    def read(self) -> None:
        head = self._bytes(0, min(16, self._end)) or b""
        orders: dict[bytes, Order] = {b"II": "<", b"MM": ">"}
        order = orders.get(head[:2])
        if order is None or len(head) < 8:
            raise ExifError("no TIFF header")
        self.found.order = order
        version, offset = struct.unpack_from(f"{order}HI", head, 2)
        self._big = version == 43
        if self._big:
            if len(head) < 16:
                raise ExifError("no BigTIFF header")
            (offset,) = struct.unpack_from(f"{order}Q", head, 8)
        if offset == self._end:
            return  # editors write blocks without a directory
        main = self._directory(offset, None)
        if main is None:
            raise ExifError("no directory where the header says")
        self.found.main = main

    def _bytes(self, offset: int, length: int) -> bytes | None:
        if offset + length > self._end:
            return None
        self._file.seek(offset)
        data = self._file.read(length)
        return data if len(data) == length else None

    def _directory(self, offset: int, pointer: int | None) -> Directory | None:
        """Return the directory at `offset`, to which the tag `pointer` led; None where there is none."""
        order, big = self.found.order, self._big
        head = self._bytes(offset, 8 if big else 2)
        if offset < 8 or head is None or offset in self._seen:
            return None
        self._seen.add(offset)
        (count,) = struct.unpack(f"{order}{'Q' if big else 'H'}", head)
        layout = struct.Struct(f"{order}HH{'Q8s' if big else 'I4s'}")
        room = (self._end - offset - len(head)) // layout.size
        readable = min(count, room, self._entries_left)
        self._entries_left -= readable
        self.found.damaged += readable < count
        table = self._bytes(offset + len(head), readable * layout.size) or b""
        directory = Directory()
        for tag, kind, number, value in layout.iter_unpack(table):
            if pointer is None and tag in self._skip:
                self.found.skipped.add(tag)
            elif number and tag not in directory.entries and tag not in directory.directories:
                self._add(directory, pointer, tag, self._entry(kind, number, value))
        return directory

    def _add(self, directory: Directory, pointer: int | None, tag: int, entry: Entry | None) -> None:
        if entry is None:
            self.found.damaged += 1
        elif tag in _POINTERS:
            offset = _number(entry, self.found.order)
            if tag not in _DIRECTORIES.get(pointer, ()) or offset is None:
                return  # in a place where no reader follows it
            below = self._directory(offset, tag)
            if below is not None:
                directory.directories[tag] = below
            elif offset:  # 0 says that there is none
                self.found.damaged += 1
        elif entry.kind != IFD:  # other directories are of thumbnails and raw files
            directory.entries[tag] = entry

    def _entry(self, kind: int, number: int, value: bytes) -> Entry | None:
        """Return the entry of a type, a count and the field for a value or its offset; None where damaged."""
        length = _SIZES.get(kind, 0) * number
        if length == 0 or length > self._bytes_left:
            return None
        data: bytes | None = value[:length]
        if length > len(value):
            (offset,) = struct.unpack(f"{self.found.order}{'Q' if self._big else 'I'}", value)
            data = self._bytes(offset, length)
        if data is None:
            return None
        self._bytes_left -= length
        if kind not in _NARROWED:
            return Entry(kind, data)
        wide, narrow = (f"{self.found.order}{number}{_CODES[code]}" for code in (kind, _NARROWED[kind]))
        try:
            return Entry(_NARROWED[kind], struct.pack(narrow, *struct.unpack(wide, data)))
        except struct.error:  # needs its 64 bits
            return None


def _number(entry: Entry | None, order: Order) -> int | None:
    code = None if entry is None else _CODES.get(entry.kind)
    if entry is None or code is None or len(entry.data) < _SIZES[entry.kind]:
        return None
    return int(struct.unpack_from(f"{order}{code}", entry.data)[0])


def _written(directory: Directory, order: Order, start: int) -> bytes:
    """Return a directory, its values and those below it, for the offset `start`, which is even."""
    tags = sorted((*directory.entries, *directory.directories))
    values_start = start + 2 + 12 * len(tags) + 4
    table, values = bytearray(struct.pack(f"{order}H", len(tags))), bytearray()
    for tag in tags:
        place = values_start + len(values)
        if tag in directory.directories:
            table += struct.pack(f"{order}HHII", tag, LONG, 1, place)
            values += _written(directory.directories[tag], order, place)
            continue
        kind, data = directory.entries[tag]
        table += struct.pack(f"{order}HHI", tag, kind, len(data) // _SIZES[kind])
        if len(data) <= 4:
            table += data.ljust(4, b"\0")
        else:
            table += struct.pack(f"{order}I", place)
            values += data + b"\0" * (len(data) % 2)
    return bytes(table + b"\0" * 4 + values)
