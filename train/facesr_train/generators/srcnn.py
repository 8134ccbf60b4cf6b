"""SRCNN, three convolutions on the enlarged picture: the network of the FDPL paper.

Dong et al. 2014, https://arxiv.org/abs/1501.00092, in the form that Sims 2020 ("Frequency Domain-based
Perceptual Loss for Super Resolution") trains: kernels of 9, 1 and 7, weights drawn from N(0, 0.001), input
standardised with the mean and the deviation of the training set.

Differs from them: RGB instead of luma, so that the result is a picture like every other recipe's, with their
mean and deviation of luma for each channel. `skip` can add the enlarged input to the output, which they do
not.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.checks import check_choice, checked_widths
from facesr_train.generators.colours import Standardisation
from facesr_train.generators.generator import Generator
from facesr_train.generators.precision import OutputConv
from facesr_train.generators.reach import Conv, Interpolate, halo_of
from facesr_train.generators.upsampling import SKIPS, Skip, bicubic, with_skip

MEAN, STD = 0.434, 0.232
"""Of the luma that Sims trained on."""
KERNELS_PX = (9, 1, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class SRCNNConfig:
    """Size of an `SRCNN`."""

    widths: tuple[int, ...] = (64, 32)
    """Channels after the first and after the second convolution."""
    skip: Skip = "none"
    """Enlarged input that is added to the output: `none`, `bilinear` or `bicubic`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", checked_widths("widths", self.widths))
        if len(self.widths) != 2:
            raise ValueError(f"generator.widths must be two numbers, not {self.widths!r}")
        check_choice("skip", self.skip, SKIPS)


class SRCNN(Generator):
    """(N, 3, H, W) float32 RGB [0, 1] -> (N, 3, 2H, 2W) float32, not clamped."""

    def __init__(self, config: SRCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.colours = Standardisation((MEAN,) * 3, (STD,) * 3)
        widths = (3, *config.widths, 3)
        kinds = (nn.Conv2d, nn.Conv2d, OutputConv)
        self.first, self.second, self.third = (
            kind(inputs, outputs, kernel, padding=kernel // 2)
            for kind, inputs, outputs, kernel in zip(kinds, widths, widths[1:], KERNELS_PX, strict=False)
        )
        for conv in (self.first, self.second, self.third):
            nn.init.normal_(conv.weight, std=0.001)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    @property
    def halo(self) -> int:
        """Low-resolution pixels."""
        return halo_of((Interpolate(4), *map(Conv, KERNELS_PX)))

    def forward(self, image: Tensor) -> Tensor:
        """Return the doubled image."""
        normal = self.colours(image)
        x = F.relu(self.second(F.relu(self.first(bicubic(normal)))))
        output: Tensor = self.colours.restore(with_skip(self.third(x), normal, self.config.skip))
        return output
