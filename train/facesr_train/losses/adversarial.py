"""The games that generator and discriminator can play: pairs of losses over logits.

All take `real` and `fake`, float32 logits of one shape, and return a scalar. In the generator's loss no
gradient flows into `real`. `margin` alone takes (N, 2) lengths of capsules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from facesr_train.losses.pixel import charbonnier

LogitLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Game:
    """What each side minimises, as functions of (real, fake)."""

    discriminator: LogitLoss
    generator: LogitLoss
    smallest_batch: int = 1
    """Below it the game has no meaning."""
    verdicts: str = "logits"
    """What it reads: `logits`, or `lengths` of capsules; a discriminator whose configuration has no entry of
    this name gives logits."""


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


def _squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def _squares_generator(real: Tensor, fake: Tensor) -> Tensor:
    return (fake - 1).square().mean() / 2


def _average_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    above, below = real - fake.mean(0, keepdim=True), fake - real.mean(0, keepdim=True)
    return ((above - 1).square().mean() + (below + 1).square().mean()) / 2


def _average_squares_generator(real: Tensor, fake: Tensor) -> Tensor:
    return _average_squares_discriminator(fake, real.detach())


def _charbonnier_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return charbonnier(real, torch.ones_like(real)) + charbonnier(fake, -torch.ones_like(fake))


def _charbonnier_generator(real: Tensor, fake: Tensor) -> Tensor:
    return charbonnier(fake, torch.ones_like(fake))


def _noisy_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return _noisy(real, fake, highest=1.0)


def _noisier_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return _noisy(real, fake, highest=math.inf)


def _noisy(real: Tensor, fake: Tensor, *, highest: float) -> Tensor:
    """Cross-entropy with labels drawn for every verdict: 0.8 to 1.2 for originals, 0 to 0.3 for others."""
    for_real = (0.8 + 0.4 * torch.rand_like(real)).clamp(max=highest)
    for_fake = 0.3 * torch.rand_like(fake)
    cross_entropy = F.binary_cross_entropy_with_logits
    return cross_entropy(real, for_real) + cross_entropy(fake, for_fake)


def _margin_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    return _margin(real, original=True) + _margin(fake, original=False)


def _margin_generator(real: Tensor, fake: Tensor) -> Tensor:
    return _margin(fake, original=True)


def _margin(lengths: Tensor, *, original: bool) -> Tensor:
    """Mean over (N, 2) lengths of (max(0, 0.9 - right)^2 + 0.5 max(0, wrong - 0.1)^2)."""
    if lengths.shape[1:] != (2,):
        raise ValueError(
            f"the game margin reads two lengths for each picture, not {tuple(lengths.shape[1:])}: "
            'set discriminator.kind to "capsule" with capsules = "two_class", or name another game'
        )
    right, wrong = (lengths[:, 0], lengths[:, 1]) if original else (lengths[:, 1], lengths[:, 0])
    return ((0.9 - right).clamp(min=0).square() + 0.5 * (wrong - 0.1).clamp(min=0).square()).mean()


GAMES: dict[str, Game] = {
    "bce": Game(_bce_discriminator, _bce_generator),
    "relativistic": Game(_pair_discriminator, _pair_generator),
    "relativistic-average": Game(_average_discriminator, _average_generator, smallest_batch=2),
    "least-squares": Game(_squares_discriminator, _squares_generator),
    "relativistic-average-least-squares": Game(
        _average_squares_discriminator, _average_squares_generator, smallest_batch=2
    ),
    "charbonnier": Game(_charbonnier_discriminator, _charbonnier_generator),
    "bce-noisy": Game(_noisy_discriminator, _bce_generator),
    "bce-noisy-authors": Game(_noisier_discriminator, _bce_generator),
    "margin": Game(_margin_discriminator, _margin_generator, verdicts="lengths"),
}
"""Recipe word -> game.

`bce`: binary cross-entropy, the generator's in the non-saturating form (Goodfellow et al. 2014,
https://arxiv.org/abs/1406.2661). `relativistic`: each reconstruction against its own original, and
`relativistic-average`: against the average of the batch, halved as in ESRGAN (Jolicoeur-Martineau 2018,
https://arxiv.org/abs/1807.00734).

`least-squares`: targets 1 and 0, halved (Mao et al. 2017, https://arxiv.org/abs/1611.04076), and its
relativistic average form. `charbonnier`: EEGAN's, targets 1 and -1 (Jiang et al. 2019, doi
10.1109/TGRS.2019.2902431); less the constant 2 eps of the authors' code, in units of logits.

`bce-noisy`: MSG-CapsGAN's, labels of originals even in 0.8 to 1.2 and those of reconstructions in 0 to 0.3,
in the discriminator's loss only (https://github.com/MahdiyarMM/MSG-CapsGAN). Labels above 1 are set to 1,
since the cross-entropy has no lower bound for them; `bce-noisy-authors` leaves them. Both draw from torch's
random state. `margin`: over the lengths of two capsules, "original" and "reconstruction" (Sabour et al. 2017,
https://arxiv.org/abs/1710.09829, equation 4); the generator's is the loss with the label "original".
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
