"""The colour ranges that published networks work in, inside our [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of ImageNet's RGB in [0, 1], as pretrained classifiers expect them. The paper normalises by "predetermined"
values "aligned to pre-trained networks" and does not print them."""


class Standardisation(nn.Module):
    """(x - mean) / std per channel, and back; the constants are no part of the state dictionary."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """RGB [0, 1] (N, 3, H, W) -> about zero mean and unit deviation."""
        return (image - self.mean) / self.std

    def restore(self, image: Tensor) -> Tensor:
        """`forward` backwards."""
        return image * self.std + self.mean


def to_symmetric(image: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1], the range of Tanh."""
    return 2 * image - 1


def from_symmetric(image: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1]."""
    return (image + 1) / 2
