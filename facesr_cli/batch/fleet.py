"""Networks on several devices that work on one queue, and the threads that run them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from facesr_cli.batch.inference import Enlarged, ModelFacts, PhotoUpscaler, ProviderFacts, upscale_each
from facesr_cli.batch.stages import Decoded
from facesr_cli.errors import PhotoError


@dataclass(frozen=True, slots=True)
class Fleet:
    """One model opened several times; stands for the whole where one network is expected.

    What is asked of it as one network, the first member answers; `Lanes` gives work to all of them.
    """

    members: tuple[PhotoUpscaler, ...]
    """At least one; same model, provider and precision."""

    @property
    def info(self) -> ModelFacts:
        """Of the model."""
        return self.members[0].info

    @property
    def provider(self) -> ProviderFacts:
        """Of the first member."""
        return self.members[0].provider

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, along each side."""
        return self.members[0].scale

    @property
    def batch_size(self) -> int:
        """The largest of the members', so that none is given less than it takes."""
        return max(member.batch_size for member in self.members)

    @property
    def repeated(self) -> tuple[int, ...]:
        """As of the first member, which is the one that `upscale_batch` uses."""
        return self.members[0].repeated

    @property
    def approximated(self) -> tuple[int, ...]:
        """As of the first member."""
        return self.members[0].approximated

    def upscale_batch(self, images: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Upscale on the first member."""
        return self.members[0].upscale_batch(images)

    def close(self) -> None:
        """Close every member."""
        for member in self.members:
            member.close()


def members_of(upscaler: PhotoUpscaler) -> tuple[PhotoUpscaler, ...]:
    """Return the networks behind `upscaler`: those of a fleet, or itself."""
    return upscaler.members if isinstance(upscaler, Fleet) else (upscaler,)


class Inferred(NamedTuple):
    """What became of one batch."""

    results: list[Enlarged | PhotoError]
    """For each photograph, in order."""
    elapsed_s: float


class Lanes:
    """One thread for each network; a batch goes to whichever is free.

    A network never changes its thread, as CUDA graphs belong to the thread that has captured them.
    """

    def __init__(self, networks: Sequence[PhotoUpscaler], *, done: Callable[[object], object]) -> None:
        self._done = done
        self._lanes = [
            (network, ThreadPoolExecutor(1, thread_name_prefix=f"network-{index}"))
            for index, network in enumerate(networks)
        ]
        self._free = deque(range(len(self._lanes)))
        self._running: dict[Future[Inferred], tuple[int, list[Decoded]]] = {}

    @property
    def is_free(self) -> bool:
        """Whether a network has nothing to do."""
        return bool(self._free)

    @property
    def is_running(self) -> bool:
        """Whether a batch has not been taken back yet."""
        return bool(self._running)

    @property
    def photographs(self) -> int:
        """How many are with the networks."""
        return sum(len(batch) for _lane, batch in self._running.values())

    def submit(self, batch: list[Decoded]) -> None:
        """Hand `batch`, photographs of one shape and type, to a free network."""
        lane = self._free.popleft()  # whoever has rested longest
        network, thread = self._lanes[lane]
        future = thread.submit(_infer, network, batch)
        self._running[future] = lane, batch
        future.add_done_callback(self._done)

    def take(self) -> list[tuple[list[Decoded], Future[Inferred]]]:
        """Return the batches that are ready; the future gives `Inferred`, or raises CapabilityError."""
        ready = [future for future in self._running if future.done()]
        taken = []
        for future in ready:
            lane, batch = self._running.pop(future)
            self._free.append(lane)
            taken.append((batch, future))
        return taken

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        for _network, thread in self._lanes:
            thread.shutdown(wait=True, cancel_futures=True)


def _infer(network: PhotoUpscaler, batch: list[Decoded]) -> Inferred:
    begun_s = time.perf_counter()
    results = upscale_each(network, [decoded.photo.pixels for decoded in batch])
    return Inferred(results, time.perf_counter() - begun_s)
