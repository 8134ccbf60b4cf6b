"""The residual network behind `face-x2`: its body works at half the input resolution.

Other networks keep everything but the blocks of the body; they derive from `HalfResolutionNet`.

A 6x6 convolution of stride 2 reads the image (the same function as pixel-unshuffle by 2 and a 3x3
convolution), residual blocks of two 3x3 convolutions follow, and a 3x3 convolution with pixel-shuffle by 4
(sub-pixel convolution, Shi et al. 2016, https://arxiv.org/abs/1609.05158) makes the doubled image. To its
output an upsampling of the input is added, the idea of the paper's generator ("Image super resolution of
human face images using GAN"). Blocks are EDSR's (Lim et al. 2017, https://arxiv.org/abs/1707.02921).

Differs from the paper: the added upsampling is a learned linear filter that starts as bicubic instead of a
scaled bilinear, the residual is not scaled, nothing is normalised to ImageNet statistics, and ReLU replaces
Tanh. Working at half resolution quarters the cost of a block and doubles its receptive field.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.folding import folded
from facesr_train.generators.generator import Generator

COARSE = "coarse."
"""Beginning of the names of the weights that a second body has, in the networks with one (`two_scale`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfResolutionConfig:
    """Size of a `HalfResolutionNet`; the defaults are `face-x2`'s (0.5 M parameters)."""

    channels: int = 64
    """Width of the body; multiples of 16 suit the matrix units of processors and GPUs."""
    blocks: int = 6
    """Residual blocks of two 3x3 convolutions."""

    def __post_init__(self) -> None:
        if self.channels < 1 or self.blocks < 1:
            raise ValueError("generator: channels and blocks must be at least 1")


class Block(nn.Module):
    """A block of the body: (N, C, h, w) -> (N, C, h, w)."""

    reach: int
    """Pixels at half resolution that an output depends on, on each side."""

    def start_small(self, factor: float = 0.3) -> None:
        """Scale fresh weights so that the block begins close to the identity; `factor` 0: as the identity."""
        raise NotImplementedError


class ResidualBlock(Block):
    """x + conv(relu(conv(x))), 3x3, no normalisation."""

    reach = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        change: Tensor = self.second(F.relu(self.first(x)))
        return x + change

    @torch.no_grad()
    def start_small(self, factor: float = 0.3) -> None:
        """Let the branch begin small."""
        self.second.weight.mul_(factor)


class HalfResolutionNet(Generator):
    """(N, 3, H, W) float32 RGB [0, 1], H and W even -> (N, 3, 2H, 2W) float32, not clamped."""

    scale = 2
    multiple = 2

    def __init__(self, config: HalfResolutionConfig) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(3, config.channels, 6, stride=2)
        self.body = nn.Sequential(*(self.make_block() for _ in range(config.blocks)))
        self.tail = nn.Conv2d(config.channels, 48, 3, padding=1)
        self.skip = nn.Conv2d(3, 48, 6, stride=2, bias=False)
        self._initialise()

    def make_block(self) -> Block:
        """One block of the body with fresh weights; derived networks have others."""
        return ResidualBlock(self.config.channels)

    @property
    def halo(self) -> int:
        """Low-resolution pixels: two for each pixel that the body, the head or the tail reaches."""
        return 2 * (sum(block.reach for block in self._blocks()) + 2)

    def forward(self, image: Tensor) -> Tensor:
        """Return the doubled image."""
        padded = F.pad(image, (2, 2, 2, 2), mode="replicate")
        detail = self.tail(self.features(self.head(padded)))  # (N, 48, H/2, W/2)
        # The upsampled input carries 8-bit levels, more than bfloat16's 8 bits of mantissa can.
        with torch.autocast(image.device.type, enabled=False):
            upsampled = self.skip(padded.to(self.skip.weight.dtype))
        return F.pixel_shuffle(upsampled + detail.to(upsampled.dtype), 4)

    def features(self, x: Tensor) -> Tensor:
        """The body: (N, C, H/2, W/2) -> (N, C, H/2, W/2); derived networks have more beside it."""
        result: Tensor = self.body(x)
        return result

    @torch.no_grad()
    def deepened(self, shallower: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`shallower` with the blocks that it lacks at the end, so that it computes the same as before.

        Added blocks begin as the identity, with fresh weights in all but their last convolution (as in
        Net2DeeperNet, Chen et al. 2016, https://arxiv.org/abs/1511.05641, for a residual body).

        Args:
            shallower: Weights of a network of this kind with fewer blocks, in the form of this one or folded.

        Returns:
            The weights as they are where their blocks are of another kind, or none is missing.
        """
        weights = dict(shallower)
        count = block_count(weights)
        if not 0 < count < len(self.body):
            return weights
        longer = copy.deepcopy(self)
        for block in list(longer._blocks())[count:]:
            block.start_small(0.0)
        for form in (longer, folded(longer)):
            state = form.state_dict()
            blocks = {name for name in state if name.startswith("body.")}
            expected = {name for name in blocks if _block(name) < count}
            second = {name for name in weights if name.startswith(COARSE)}
            if expected == {name for name in weights if name.startswith("body.")} and second <= state.keys():
                added = blocks - expected
                return weights | {name: state[name] for name in added}
        return weights

    @torch.no_grad()
    def widened(self, narrower: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`narrower` with the channels that it lacks, so that it computes the same as before.

        What makes an added channel has fresh weights, and whatever reads one begins at zero there, but for
        what makes another added channel. So the results stay, and the zeros have gradients from the first
        step. The aim is that of Net2WiderNet (Chen et al. 2016, https://arxiv.org/abs/1511.05641), which
        copies channels in the place of fresh ones and has to break the symmetry by noise.

        Args:
            narrower: Weights of a network of this kind with fewer channels and at most as many blocks, in the
                form of this one or folded.

        Returns:
            The weights as they are where the network is not of this kind or no narrower.
        """
        found = dict(narrower)
        width = width_of(found)
        if not 0 < width < self.config.channels:
            return found
        for form in (self, folded(self)):
            fresh = {name: value for name, value in form.state_dict().items() if name in found}
            if {name for name in found if name.startswith("body.")} <= fresh.keys() and all(
                found[name].dim() == value.dim()
                and all(old <= new for old, new in zip(found[name].shape, value.shape, strict=True))
                for name, value in fresh.items()
            ):
                return found | {name: _embedded(found[name], value) for name, value in fresh.items()}
        return found

    def _blocks(self) -> Iterator[Block]:
        for block in self.body:
            assert isinstance(block, Block)
            yield block

    def _initialise(self) -> None:
        """He initialisation; branches and tail start small, so that training starts near bicubic."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            for block in self._blocks():
                block.start_small()
            self.tail.weight.mul_(0.1)
            self.skip.weight.copy_(bicubic_kernels())


def block_count(names: Iterable[str]) -> int:
    """Blocks of the body among the names of a state dictionary; 0 where they are not numbered from 0."""
    numbers = {name.split(".")[1] for name in names if name.startswith("body.")}
    return len(numbers) if numbers == {str(index) for index in range(len(numbers))} else 0


def width_of(weights: Mapping[str, Tensor]) -> int:
    """Channels of the body of a half-resolution network by its state dictionary; 0 without such a head."""
    head = weights.get("head.weight")
    return int(head.shape[0]) if head is not None and head.shape[1:] == (3, 6, 6) else 0


def _embedded(small: Tensor, fresh: Tensor) -> Tensor:
    """`fresh` (out, in, ...) with `small` in its corner and zeros where old outputs read added inputs."""
    large = fresh.clone().to(small.dtype)
    outputs = small.shape[0]
    if small.dim() > 1:
        large[:outputs] = 0
        large[:outputs, : small.shape[1]] = small
    else:
        large[:outputs] = small
    return large


def _block(name: str) -> int:
    return int(name.split(".")[1])


def bicubic_kernels() -> Tensor:
    """Weights (48, 3, 6, 6) of a stride-2 convolution that, pixel-shuffled by 4, is bicubic upscaling x2.

    Output sample i of a window lies at (i + 0.5) / 2 - 0.5 + 2 in the window's coordinates, and the cubic
    convolution kernel has a = -0.5 (Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711).
    """
    position = (torch.arange(4, dtype=torch.float64) + 0.5) / 2 - 0.5 + 2
    distance = (position[:, None] - torch.arange(6, dtype=torch.float64)[None, :]).abs()
    a = -0.5
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
    line = torch.where(distance <= 1, near, torch.where(distance < 2, far, torch.zeros(())))  # (4, 6)
    kernel = torch.einsum("iy,jx->ijyx", line, line).reshape(16, 6, 6)
    weights = torch.zeros(3, 16, 3, 6, 6)
    for channel in range(3):
        weights[channel, :, channel] = kernel.float()
    return weights.reshape(48, 3, 6, 6)
