"""Opens one model on every device that is to work on it, several times where copies shall overlap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from facesr_cli.errors import ProviderError
from facesr_cli.model.providers import PROVIDERS, device_numbers
from facesr_cli.model.tuning import Tuning
from facesr_cli.model.upscaler import Upscaler

Device = int | Literal["all"]
"""Number of a GPU, from 0, or all that the provider has."""

Open = Callable[[str, int], Upscaler]
"""Opens the model on a provider and a device; errors as in `Upscaler`."""


def open_on_devices(
    open_one: Open, *, provider: str, device: Device, tuning: Tuning | None = None
) -> list[Upscaler]:
    """Open the model on `device`, or on each one; the first decides for all which provider `auto` is.

    Args:
        open_one: Opens it once.
        provider: `auto`, or a key of `providers.PROVIDERS`.
        device: Where.
        tuning: Says how many sessions each device gets.

    Returns:
        At least one Upscaler, for one thread each. They are all closed where one does not open.

    Raises:
        ModelError, ProviderError, UsageError: As `Upscaler`, and where the devices cannot be counted.
    """
    opened = [open_one(provider, 0 if device == "all" else device)]
    try:
        key = opened[0].provider.key
        numbers = device_numbers(PROVIDERS[key]) if device == "all" else range(device, device + 1)
        places = [number for number in numbers for _ in range((tuning or Tuning()).sessions_on(key))]
        for number in places[1:]:
            try:
                opened.append(open_one(key, number))
            except ProviderError as error:
                if device != "all":
                    raise
                raise ProviderError(f"--device all, number {number} from 0: {error}") from error
    except BaseException:
        for upscaler in opened:
            upscaler.close()
        raise
    return opened
