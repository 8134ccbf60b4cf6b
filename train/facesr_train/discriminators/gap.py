"""The discriminator of EEGAN, with a global average in place of its flattened map.

Jiang et al. 2019, "Edge-Enhanced GAN for Remote Sensing Image Superresolution", TGRS 57(8), doi
10.1109/TGRS.2019.2902431, after the authors' code (https://github.com/kuijiang0802/EEGAN): plain convolutions
with average pooling, no normalisation. There it judges the picture before edge enhancement (`base`).

We differ in the step to the dense layers: flattened, a crop of 96 px would need a first layer of 151 million
weights; we average over the map, which also frees the size of the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

SLOPE = 0.2
"""Of the leaky rectifiers for negative values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapConfig:
    """Size of a `GapDiscriminator`."""

    channels: int = 64
    """Width at full resolution; the last convolution has sixteen times this."""
    hidden: int = 1024
    """Width of the dense layer before the verdict."""

    def __post_init__(self) -> None:
        if self.channels < 1 or self.hidden < 1:
            raise ValueError("discriminator: channels and hidden must be at least 1")


class GapDiscriminator(nn.Module):
    """(N, 3, H, W) float32 RGB [0, 1], sides at least 8 -> logits (N, 1)."""

    def __init__(self, config: GapConfig) -> None:
        super().__init__()
        width, layers = 3, list[nn.Module]()
        for factor, halves in ((1, False), (1, False), (2, True), (4, True), (8, True), (16, False)):
            layers += [nn.Conv2d(width, factor * config.channels, 3, padding=1), nn.LeakyReLU(SLOPE)]
            width = factor * config.channels
            if halves:
                layers.append(nn.AvgPool2d(2))
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(width, config.hidden), nn.LeakyReLU(SLOPE), nn.Linear(config.hidden, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits."""
        features: Tensor = self.layers(2 * image - 1)
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits
