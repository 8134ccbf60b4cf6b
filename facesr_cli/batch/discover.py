"""Finding photographs: files as named, directories recursively, each thing passed over with a reason."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

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
    """A directory that could not be listed: photographs may be in there, so it counts as a failure."""

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
    directories = tuple(os.path.realpath(path) for path in inputs if os.path.isdir(path))
    followed: set[str] = set()
    for root in inputs:
        if os.path.isdir(root):
            found = _walk(root, chosen, outputs, directories, followed)
        else:
            found = iter((Source(path=root, root=root, relative=Path(root.name)),))
        for item in found:
            if isinstance(item, Source):
                location = os.path.abspath(item.path)
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
        if current != root and current.is_symlink():
            reason = _refused_link(current, inputs, followed)
            if reason is not None:
                yield Ignored(path=current, reason=reason)
                continue
        try:
            names = sorted(os.listdir(current))
        except OSError as error:
            message = f"{current}: the directory cannot be listed ({error.strerror}). Change its permissions."
            yield Blocked(path=current, reason="no-permission", message=message)
            continue
        below: list[Path] = []
        for name in names:
            path = current / name
            relative = path.relative_to(root)
            if _is_junk(name):
                yield Ignored(path=path, reason="hidden")
            elif chosen.excludes(relative):
                yield Ignored(path=path, reason="excluded")
            elif os.path.isdir(path):
                below.append(path)
                if path.suffix.lower() in PHOTO_SUFFIXES:
                    yield Ignored(path=path, reason="is-a-directory")  # its contents are walked all the same
            elif path.suffix.lower() not in PHOTO_SUFFIXES:
                yield Ignored(path=path, reason="not-a-photograph")
            elif not chosen.includes(relative):
                yield Ignored(path=path, reason="not-included")
            else:
                yield Source(path=path, root=root, relative=relative)
        stack.extend(reversed(below))


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
