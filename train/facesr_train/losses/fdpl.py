"""The frequency domain perceptual loss: errors of 8x8 DCT coefficients, weighted as the eye would.

Sims 2020, "Frequency Domain-Based Perceptual Loss for Super Resolution", MLSP
(https://arxiv.org/abs/2007.12296; code https://github.com/sdv4/FDPL). An error of coefficient (u, v) counts D
/ Q: D says how much the degradation changes the coefficient (what there is to repair), Q is JPEG's luminance
quantisation table (what the eye does not see).

We differ from the authors' program in three ways. It sums over all blocks of a batch, we take the mean over
blocks, so that the loss does not grow with the crop; learning rates do not carry over. It cuts blocks at
multiples of 8, which `random_phase` avoids. Its D is that of a threefold reduction of other photographs; ours
is that of the degradation that is trained on.

The mean of a block hardly counts (for `paper` D / Q is 0.001 there, of a sum of 2.67): use it beside a loss
per sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.losses.luma import luma

BLOCK_PX = 8

JPEG_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Q: the example table of ITU-T T.81 (JPEG), annex K.1; row is the vertical frequency."""

RELATIVE_CHANGES: dict[str, tuple[tuple[float, ...], ...]] = {
    "paper": (
        (0.016, 0.732, 1.271, 1.467, 1.535, 1.524, 1.528, 1.488),
        (0.774, 1.179, 1.459, 1.612, 1.595, 1.580, 1.552, 1.528),
        (1.307, 1.461, 1.579, 1.630, 1.593, 1.581, 1.561, 1.537),
        (1.494, 1.609, 1.629, 1.616, 1.606, 1.582, 1.552, 1.560),
        (1.550, 1.601, 1.598, 1.616, 1.561, 1.586, 1.560, 1.567),
        (1.540, 1.584, 1.584, 1.586, 1.577, 1.563, 1.548, 1.572),
        (1.538, 1.554, 1.565, 1.555, 1.552, 1.548, 1.555, 1.572),
        (1.497, 1.527, 1.537, 1.562, 1.553, 1.571, 1.571, 1.577),
    ),
    "bicubic": (
        (0.003, 0.319, 0.564, 0.811, 1.415, 1.332, 1.407, 1.424),
        (0.353, 0.545, 0.687, 0.919, 1.447, 1.363, 1.414, 1.437),
        (0.593, 0.692, 0.804, 1.003, 1.460, 1.379, 1.422, 1.439),
        (0.834, 0.921, 1.005, 1.162, 1.495, 1.409, 1.435, 1.446),
        (1.431, 1.451, 1.463, 1.500, 1.510, 1.506, 1.488, 1.486),
        (1.339, 1.364, 1.381, 1.412, 1.503, 1.449, 1.438, 1.449),
        (1.409, 1.412, 1.420, 1.434, 1.484, 1.439, 1.440, 1.449),
        (1.431, 1.437, 1.437, 1.448, 1.480, 1.448, 1.447, 1.457),
    ),
}
"""D by degradation.

Made by `python -m benchmarks.fit_fdpl DIR --degradation NAME` from the 380 training photographs of
docs/models.md ("Data"), prepared as originals of `bench` (1024x1024). The authors' own is not here:
only parts of it were available to us.
"""

COLOURS = ("luma", "rgb")


@dataclass(frozen=True, slots=True, kw_only=True)
class FdplConfig:
    """What is compared, and with which weights."""

    degradation: str = "paper"
    """Whose table D is used; one of `RELATIVE_CHANGES`."""
    colours: str = "luma"
    """`luma`, as in the paper, or `rgb`: each channel by itself, averaged."""
    random_phase: bool = False
    """Blocks begin at a place drawn anew for each batch from torch's random state, 0 to 7 pixels to the right
    and down, instead of at multiples of 8, where the seams of a fixed grid could become visible."""

    def __post_init__(self) -> None:
        if self.degradation not in RELATIVE_CHANGES:
            known = ", ".join(RELATIVE_CHANGES)
            raise ValueError(f"loss fdpl: degradation is {self.degradation!r}; there are {known}")
        if self.colours not in COLOURS:
            raise ValueError(f"loss fdpl: colours is {self.colours!r}; there are {', '.join(COLOURS)}")
        if not isinstance(self.random_phase, bool):
            raise ValueError("loss fdpl: random_phase must be true or false")


class FdplLoss(nn.Module):
    """Weighted squared error of DCT coefficients, mean over blocks, sum over the 64 coefficients.

    (N, 3, H, W) float32 RGB twice, H and W at least 8 (16 with `random_phase`) -> scalar, 0 for equal
    pictures. Pixels that fill no whole block at the right and lower border are left out.
    """

    kernels: Tensor
    weights: Tensor

    def __init__(self, config: FdplConfig) -> None:
        super().__init__()
        self._config = config
        self.register_buffer("kernels", dct_kernels())
        self.register_buffer("weights", fdpl_weights(torch.tensor(RELATIVE_CHANGES[config.degradation])))

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        difference = output - target
        if self._config.colours == "luma":
            difference = luma(difference)
        if self._config.random_phase:
            down, right = torch.randint(BLOCK_PX, (2,)).tolist()
            difference = difference[:, :, down:, right:]
        # Each channel is a picture of its own; the DCT is linear, so the difference needs one transform only.
        coefficients = F.conv2d(
            difference.flatten(0, 1)[:, None], self.kernels.to(difference.dtype), stride=BLOCK_PX
        )
        weights = self.weights.to(difference.dtype).reshape(-1, 1, 1)
        return (weights * coefficients.square()).sum(1).mean()


def dct_kernels() -> Tensor:
    """(64, 1, 8, 8) float64: the orthonormal two-dimensional DCT-II; kernel 8 u + v is frequency (u, v).

    A convolution of stride 8 with them transforms every block.
    """
    place = torch.arange(BLOCK_PX, dtype=torch.float64)
    basis = torch.cos(math.pi * place[:, None] * (2 * place + 1) / (2 * BLOCK_PX)) * math.sqrt(2 / BLOCK_PX)
    basis[0] = 1 / math.sqrt(BLOCK_PX)
    return torch.einsum("uy,vx->uvyx", basis, basis).reshape(-1, 1, BLOCK_PX, BLOCK_PX)


def fdpl_weights(relative_change: Tensor) -> Tensor:
    """W = D / Q: (8, 8) float of any positive scale -> (8, 8) float64."""
    return relative_change.double() / torch.tensor(JPEG_LUMINANCE, dtype=torch.float64)


def relative_change(pairs: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """D of a degradation: mean over all blocks of |a - b| / ((|a| + |b|) / 2) for each coefficient.

    Args:
        pairs: Luma of an original and of the same photograph degraded and enlarged again, (H, W) each, any
            range. 1e-13 is added to the denominator, as in the authors' program, so that coefficients which
            are 0 in both count as unchanged.

    Returns:
        (8, 8) float64, each in 0..2.

    Raises:
        ValueError: There is no pair, or the two of a pair differ in shape.
    """
    total, blocks = torch.zeros(BLOCK_PX * BLOCK_PX, dtype=torch.float64), 0
    kernels = dct_kernels()
    for original, restored in pairs:
        if original.shape != restored.shape:
            raise ValueError(f"an original of {tuple(original.shape)} and a copy of {tuple(restored.shape)}")
        a, b = (
            F.conv2d(picture.double()[None], kernels, stride=BLOCK_PX).flatten(1)
            for picture in (original, restored)
        )
        total += ((a - b).abs() / ((a.abs() + b.abs()) / 2 + 1e-13)).sum(1)
        blocks += a.shape[1]
    if not blocks:
        raise ValueError("no blocks to compare")
    return (total / blocks).reshape(BLOCK_PX, BLOCK_PX)
