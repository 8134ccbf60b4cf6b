"""The patch discriminator: one verdict for each small patch instead of one for the picture.

After Isola et al. 2017 (https://arxiv.org/abs/1611.07004), with the spectral normalisation of Miyato et al.
2018 (https://arxiv.org/abs/1802.05957) in place of batch normalisation, so that a verdict depends on nothing
but the patch, and the first convolution at full resolution, because at twice the size the difference
between a photograph and its reconstruction lies in the finest detail.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2
"""Of the leaky rectifiers for negative values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchConfig:
    """Size of a `PatchDiscriminator`."""

    channels: int = 32
    """Width at full resolution; it doubles with each halving, up to four times this."""
    halvings: int = 3
    """Convolutions of stride 2; with 3 a verdict sees 56 pixels, with 2 it sees 28."""

    def __post_init__(self) -> None:
        if self.channels < 1 or not 1 <= self.halvings <= 5:
            raise ValueError("discriminator: channels must be at least 1, and halvings lie in 1..5")


class PatchDiscriminator(nn.Module):
    """(N, 3, H, W) float32 RGB [0, 1] -> logits (N, 1, H / 2^halvings, W / 2^halvings)."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        width = config.channels
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(SLOPE)]
        for _ in range(config.halvings):
            wider = min(2 * width, 4 * config.channels)
            layers += [spectral_norm(nn.Conv2d(width, wider, 4, stride=2, padding=1, bias=False))]
            layers += [nn.LeakyReLU(SLOPE)]
            width = wider
        layers += [spectral_norm(nn.Conv2d(width, width, 3, padding=1, bias=False)), nn.LeakyReLU(SLOPE)]
        layers += [nn.Conv2d(width, 1, 3, padding=1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.layers(image - 0.5)
        return logits
