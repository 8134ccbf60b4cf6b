"""Windows of the training photographs: cut out on the device that holds them, or on the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where each of N square windows lies; int64 tensors of one device."""

    photograph: Tensor
    """(N,) index of the photograph."""
    top: Tensor
    left: Tensor
    """(N,) of the upper left corner, pixels."""
    taken_px: Tensor
    """(N,) side of the window, all of it inside the photograph."""
    mirrored: Tensor
    """(N,) 1 where left and right change sides, else 0."""


class ResidentPhotographs:
    """Photographs of any sizes, one after the other in one tensor on the training device."""

    def __init__(self, photographs: Sequence[Tensor], device: torch.device) -> None:
        """Copy (3, H, W) uint8 photographs to `device`."""
        sizes = [photograph.numel() for photograph in photographs]
        self._samples = torch.empty(sum(sizes), dtype=torch.uint8, device=device)
        for part, photograph in zip(torch.split(self._samples, sizes), photographs, strict=True):
            part.copy_(photograph.flatten())
        shapes = torch.tensor([photograph.shape for photograph in photographs])  # (P, 3): 3, H, W
        starts = torch.tensor(sizes).cumsum(0) - torch.tensor(sizes)
        self._geometry = torch.stack((starts, shapes[:, 1] * shapes[:, 2], shapes[:, 2]), 1).to(device)

    def windows(self, places: Places, side_px: int) -> Tensor:
        """Cut out the windows: (N, 3, side, side) uint8 on the device.

        Of a larger window the upper left part is returned (of a mirrored one, the upper right part mirrored);
        a smaller one is continued with its last row and column.
        """
        start, plane, width = self._geometry.index_select(0, places.photograph).unbind(1)
        offset = torch.arange(side_px, device=self._samples.device)
        last = (places.taken_px - 1)[:, None]
        row = torch.minimum(offset, last)
        column = torch.where(places.mirrored[:, None] > 0, last - row, row) + places.left[:, None]
        row = (row + places.top[:, None]) * width[:, None] + start[:, None]
        channel = torch.arange(3, device=self._samples.device)[:, None] * plane[:, None, None]  # (N, 3, 1)
        return self._samples.take((channel + row[:, None])[..., None] + column[:, None, None])


class HostPhotographs:
    """Photographs that stay in the host's memory, or in a file."""

    def __init__(self, photographs: Sequence[Tensor]) -> None:
        """Keep (3, H, W) uint8 CPU tensors."""
        self._photographs = photographs

    def windows(self, places: Places, side_px: int) -> Tensor:
        """As of `ResidentPhotographs`, but on the host and zeros beside a smaller window."""
        found = torch.zeros(len(places.top), 3, side_px, side_px, dtype=torch.uint8)
        numbers = torch.stack(
            (places.photograph, places.top, places.left, places.taken_px, places.mirrored), 1
        ).tolist()
        for window, (photograph, top, left, taken_px, mirrored) in zip(found, numbers, strict=True):
            side = min(taken_px, side_px)
            if mirrored:
                left += taken_px - side
            part = self._photographs[photograph][:, top : top + side, left : left + side]
            window[:, :side, :side] = part.flip(2) if mirrored else part
        return found
