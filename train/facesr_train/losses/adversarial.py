"""The games that generator and discriminator can play: pairs of losses over logits.

All take `real` and `fake`, float32 logits of one shape, and return a scalar. In the generator's loss no
gradient flows into `real`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

LogitLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Game:
    """What each side minimises, as functions of (real, fake)."""

    discriminator: LogitLoss
    generator: LogitLoss
    smallest_batch: int = 1
    """Below it the game has no meaning."""


def _bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _bce_generator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-fake).mean()


def _pair_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(fake - real).mean()


def _pair_generator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(real.detach() - fake).mean()


def _average_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    above, below = real - fake.mean(0, keepdim=True), fake - real.mean(0, keepdim=True)
    return (F.softplus(-above).mean() + F.softplus(below).mean()) / 2


def _average_generator(real: Tensor, fake: Tensor) -> Tensor:
    real = real.detach()
    return _average_discriminator(fake, real)


GAMES: dict[str, Game] = {
    "bce": Game(_bce_discriminator, _bce_generator),
    "relativistic": Game(_pair_discriminator, _pair_generator),
    "relativistic-average": Game(_average_discriminator, _average_generator, smallest_batch=2),
}
"""Recipe word -> game.

`bce`: binary cross-entropy, the generator's in the non-saturating form (Goodfellow et al. 2014,
https://arxiv.org/abs/1406.2661). `relativistic`: each reconstruction against its own original, and
`relativistic-average`: against the average of the batch, halved as in ESRGAN (Jolicoeur-Martineau 2018,
https://arxiv.org/abs/1807.00734).
"""


def r1_penalty(logits: Tensor, *originals: Tensor) -> Tensor:
    """Mean over the batch of the squared gradient of each original's summed logits, halved: R1 of weight 1.

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406. With one logit for each of P patches, the mean of
    the patches' logits is taken, so that the penalty does not grow with the picture.

    Args:
        logits: (N, ...) float32, computed from `originals`, which require a gradient.
        originals: (N, 3, H, W) float32 each.
    """
    verdict = logits.flatten(1).mean(1).sum()
    gradients = torch.autograd.grad(verdict, originals, create_graph=True)
    squared = torch.stack([gradient.square().sum((1, 2, 3)) for gradient in gradients]).sum(0)
    return squared.mean() / 2
