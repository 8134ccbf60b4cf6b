"""The half-resolution network with more weights in training than in use: branches that fold into one 3x3.

In training every convolution of the body is a sum of four branches: 3x3, 1x1, 1x1 followed by 3x3, and a
scaled identity. All are linear, so their sum is one 3x3 convolution, and `fold` gives the plain network that
computes the same. Branches of this kind are RepVGG's (Ding et al. 2021, https://arxiv.org/abs/2101.03697)
and, with the 1x1-3x3 sequence, ECBSR's (Zhang et al. 2021, https://doi.org/10.1145/3474085.3475291).

Differs from the papers: no normalisation, and no fixed Sobel and Laplace filters. The kernels are summed
before the convolution, not the branches' outputs after it, so that a step costs little more than the plain
network's (as in OREPA, Hu et al. 2022, https://arxiv.org/abs/2204.00826). The 1x1 of the sequence has no
bias, which its 3x3 would only add to its own: then padding with zeros before or after it is the same, and
folding is exact at the border too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.generators.half_resolution import Block, HalfResolutionConfig, HalfResolutionNet


@dataclass(frozen=True, slots=True, kw_only=True)
class ReparameterisedConfig(HalfResolutionConfig):
    """Size of a `ReparameterisedNet`; folded it is a `HalfResolutionNet` of the same channels and blocks."""

    expansion: int = 2
    """Channels between the 1x1 and the 3x3 convolution of the sequence, as a multiple of `channels`."""

    def __post_init__(self) -> None:
        # super() does not know its class in a dataclass with slots.
        HalfResolutionConfig.__post_init__(self)
        if self.expansion < 1:
            raise ValueError("generator.expansion must be at least 1")


class BranchedConv(nn.Module):
    """A 3x3 convolution with zero padding whose kernel is a sum of branches: (N, C, h, w) -> (N, C, h, w)."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        inner = expansion * channels
        self.direct = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.centre = nn.Parameter(torch.empty(channels, channels))
        """The 1x1 branch."""
        self.widen = nn.Parameter(torch.empty(inner, channels))
        """The 1x1 of the sequence."""
        self.gather = nn.Parameter(torch.empty(channels, inner, 3, 3))
        """The 3x3 of the sequence."""
        self.identity = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the branches."""
        # Summed in the weights' own precision; the convolution may be in less.
        with torch.autocast(x.device.type, enabled=False):
            kernel = self.kernel()
        return F.conv2d(x, kernel, self.bias, padding=1)

    def kernel(self) -> Tensor:
        """The folded weights (C, C, 3, 3)."""
        sequence = torch.einsum("omyx,mi->oiyx", self.gather, self.widen)
        middle = self.centre + torch.diag(self.identity)
        return self.direct + sequence + F.pad(middle[:, :, None, None], (1, 1, 1, 1))

    @torch.no_grad()
    def scale(self, factor: float) -> None:
        """Multiply what the convolution computes by `factor`, in place."""
        for last in (self.direct, self.centre, self.gather, self.identity, self.bias):
            last.mul_(factor)

    def _initialise(self) -> None:
        """Each of the four branches begins with a quarter of the variance of He initialisation."""
        channels, inner = self.direct.shape[0], self.widen.shape[0]
        half = 0.5 * math.sqrt(2)
        nn.init.normal_(self.direct, std=half / math.sqrt(9 * channels))
        nn.init.normal_(self.centre, std=half / math.sqrt(channels))
        nn.init.normal_(self.widen, std=1 / math.sqrt(channels))
        nn.init.normal_(self.gather, std=half / math.sqrt(9 * inner))
        nn.init.constant_(self.identity, half)


class ReparameterisedBlock(Block):
    """x + conv(relu(conv(x))) of branched convolutions."""

    reach = 2

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        self.first = BranchedConv(channels, expansion)
        self.second = BranchedConv(channels, expansion)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        change: Tensor = self.second(F.relu(self.first(x)))
        return x + change

    def start_small(self, factor: float = 0.3) -> None:
        """Let the residual begin small."""
        self.second.scale(factor)


class ReparameterisedNet(HalfResolutionNet):
    """As `HalfResolutionNet`, with branches in the body until it is folded."""

    config: ReparameterisedConfig

    def make_block(self) -> Block:
        """One block with fresh weights."""
        return ReparameterisedBlock(self.config.channels, self.config.expansion)

    @torch.no_grad()
    def fold(self) -> HalfResolutionNet:
        """The plain network that computes the same, with weights of its own."""
        with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
            plain = HalfResolutionNet(
                HalfResolutionConfig(channels=self.config.channels, blocks=self.config.blocks)
            )
        plain.load_state_dict(folded_weights(self), assign=True)
        return plain.train(self.training)

    @torch.no_grad()
    def unfolded(self, plain: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A state dictionary for this network that computes what `plain`, one of its folded form, does.

        The 3x3 branches take over the weights. All others begin at zero and are trained from there: of the
        sequence only its last convolution is zero, else neither of its two would have a gradient.

        Args:
            plain: Weights of a `HalfResolutionNet` of the same channels and blocks, as `fold` gives them.

        Raises:
            ValueError: Weights are missing in `plain` or of another shape.
        """
        return unfolded_weights(self, plain)


@torch.no_grad()
def folded_weights(network: nn.Module) -> dict[str, Tensor]:
    """A state dictionary with one kernel in the place of each `BranchedConv`; a copy of everything else."""
    branched = {name: module for name, module in network.named_modules() if isinstance(module, BranchedConv)}
    weights = {
        name: value.clone()
        for name, value in network.state_dict().items()
        if name.rpartition(".")[0] not in branched
    }
    for name, module in branched.items():
        weights |= {f"{name}.weight": module.kernel(), f"{name}.bias": module.bias.clone()}
    return weights


@torch.no_grad()
def unfolded_weights(
    network: nn.Module, plain: Mapping[str, Tensor], *, fresh: str = ""
) -> dict[str, Tensor]:
    """`folded_weights` backwards, as `ReparameterisedNet.unfolded` says.

    Args:
        network: Gives the names and shapes, and what is not in `plain`.
        plain: Weights in folded form.
        fresh: Beginning of the names that are taken from `network` instead; empty: none.

    Raises:
        ValueError: Weights are missing in `plain` or of another shape.
    """
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    left = {name for name in weights if fresh and name.startswith(fresh)}
    sources = {name: name for name in weights if name not in left}
    for name, module in network.named_modules():
        if isinstance(module, BranchedConv) and f"{name}.direct" not in left:
            for branch in ("centre", "gather", "identity"):
                weights[f"{name}.{branch}"].zero_()
            for branch in ("centre", "gather", "identity", "widen"):
                del sources[f"{name}.{branch}"]
            sources |= {f"{name}.direct": f"{name}.weight", f"{name}.bias": f"{name}.bias"}
    for name, source in sources.items():
        if source not in plain or plain[source].shape != weights[name].shape:
            raise ValueError(f"{source} is missing or of another shape")
        weights[name].copy_(plain[source])
    return weights
