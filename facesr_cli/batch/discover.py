"""Finding photographs: files as named, directories recursively, each thing passed over with a reason."""

from __future__ import annotations

import errno
import fnmatch
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from facesr_cli.batch.wording import printable
from facesr_cli.photo.formats import PHOTO_SUFFIXES

_JUNK_NAMES = frozenset({"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to upscale, not opened yet."""

    path: Path
    """As reached from the input, links not resolved."""
    root: Path
    """The INPUT it came from: a directory, or the file itself."""
    relative: Path
    """Below `root`; for a file named on the command line its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Something found that is not an input, and why; listed with -v."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """What could not be listed or looked at: photographs may be in there, so it counts as a failure."""

    path: Path
    reason: str
    message: str


Found: TypeAlias = Source | Ignored | Blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What --include and --exclude let through. Globs match the path below INPUT, or the name alone."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def excludes(self, relative: Path) -> bool:
        """Return whether an --exclude glob names this file or directory."""
        return any(_matches(relative, glob) for glob in self.exclude)

    def includes(self, relative: Path) -> bool:
        """Return whether this file passes --include; all do where there is none."""
        return not self.include or any(_matches(relative, glob) for glob in self.include)


class Locations:
    """Where files really are: links on the way are resolved, a link in the file's own place is not.

    Two links to one photograph are two photographs; two ways to one name are one.
    """

    def __init__(self) -> None:
        self._directories: dict[str, str] = {}

    def __call__(self, path: str | os.PathLike[str]) -> str:
        """Return the one absolute path of the file `path`; `link/..` is the parent of the link's target."""
        directory, name = os.path.split(os.fspath(path))
        real = self._directories.get(directory)
        if real is None:
            real = self._directories[directory] = os.path.realpath(directory)
        return os.path.join(real, name)


def discover(
    inputs: tuple[Path, ...], chosen: Filter, outputs: frozenset[Path] = frozenset()
) -> Iterator[Found]:
    """Yield what lies under `inputs`, in a stable order: inputs as given, below them sorted by name.

    Args:
        inputs: Existing files and directories. A file named here is taken whatever it is called.
        chosen: Filter for what is found inside directories.
        outputs: Real paths of directories that this run writes to; they are never walked into.
    """
    seen: set[str] = set()
    location_of = Locations()
    directories = tuple(os.path.realpath(path) for path in inputs if os.path.isdir(path))
    followed: set[str] = set()
    for root in inputs:
        if os.path.isdir(root):
            found = _walk(root, chosen, outputs, directories, followed)
        else:
            found = iter((Source(path=root, root=root, relative=Path(root.name)),))
        for item in found:
            if isinstance(item, Source):
                location = location_of(item.path)
                if location in seen:
                    yield Ignored(path=item.path, reason="given-twice")
                    continue
                seen.add(location)
            yield item


def _walk(
    root: Path,
    chosen: Filter,
    outputs: frozenset[Path],
    inputs: tuple[str, ...],
    followed: set[str],
) -> Iterator[Found]:
    """Walk one directory depth first. A stack, because recursion would end at a thousand levels."""
    stack: list[Path] = [root]
    while stack:
        current = stack.pop()
        if current != root and Path(os.path.realpath(current)) in outputs:
            yield Ignored(path=current, reason="output-directory")
            continue
        if current != root and os.path.islink(current):
            reason = _refused_link(current, inputs, followed)
            if reason is not None:
                yield Ignored(path=current, reason=reason)
                continue
        try:
            with os.scandir(current) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            yield _blocked(current, error, "the directory cannot be listed")
            continue
        below: list[Path] = []
        for entry in entries:
            path = current / entry.name
            relative = path.relative_to(root)
            is_photograph = path.suffix.lower() in PHOTO_SUFFIXES
            if _is_junk(entry.name):
                yield Ignored(path=path, reason="hidden")
                continue
            if chosen.excludes(relative):
                yield Ignored(path=path, reason="excluded")
                continue
            try:
                is_directory = _is_directory(entry)
            except OSError as error:
                if not is_photograph:  # those fail by name when they are opened
                    yield _blocked(path, error, "cannot be looked at")
                    continue
                is_directory = False
            if is_directory:
                below.append(path)
                if is_photograph:
                    yield Ignored(path=path, reason="is-a-directory")  # its contents are walked all the same
            elif not is_photograph:
                yield Ignored(path=path, reason="not-a-photograph")
            elif not chosen.includes(relative):
                yield Ignored(path=path, reason="not-included")
            else:
                yield Source(path=path, root=root, relative=relative)
        stack.extend(reversed(below))


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """Return whether a directory, or a link to one, has this name; a link to nothing or to itself is none.

    Raises:
        OSError: The system does not say what is there.
    """
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise


def _blocked(path: Path, error: OSError, what: str) -> Blocked:
    if isinstance(error, PermissionError):
        reason, remedy = "no-permission", "Change its permissions."
    else:
        reason, remedy = "unreadable", "Mend it, or --exclude it."
    message = f"{printable(path)}: {what} ({error.strerror}). {remedy}"
    return Blocked(path=path, reason=reason, message=message)


def _refused_link(link: Path, inputs: tuple[str, ...], followed: set[str]) -> str | None:
    """Say why a linked directory is not walked: it is walked under its own name, or was already.

    Each real directory outside the inputs is followed once, so no arrangement of links makes a walk endless.
    """
    target = os.path.realpath(link)
    if any(target == root or target.startswith(root.rstrip(os.sep) + os.sep) for root in inputs):
        return "link-into-input"
    if any(root.startswith(target.rstrip(os.sep) + os.sep) for root in inputs):
        return "link-above-input"
    if any(target == other or target.startswith(other + os.sep) for other in followed):
        return "link-followed-before"
    followed.add(target)
    return None


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in _JUNK_NAMES


def _matches(relative: Path, glob: str) -> bool:
    pattern = glob.rstrip("/")
    return fnmatch.fnmatchcase(relative.as_posix(), pattern) or fnmatch.fnmatchcase(relative.name, pattern)
