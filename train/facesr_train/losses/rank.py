"""The ranker, which learned to order pictures as a measure does that has no gradient, and its use as a loss.

Zhang et al. 2019, "RankSRGAN: Generative Adversarial Networks with Ranker for Image Super-Resolution", ICCV
(https://arxiv.org/abs/1908.06382), after the authors' code (https://github.com/WenlongZhang0517/RankSRGAN).
`facesr_train.ranker` trains it, here on NIQE; a high score is a bad picture.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_cli.errors import ModelError
from facesr_train.discriminators.vgg import SLOPE, esrgan_trunk

MARGIN = 0.5
"""By which the scores of a better and a worse picture are to differ."""
FORMAT = 1
_HOW = "train one with `python -m facesr_train.ranker PHOTOGRAPHS -o FILE.npz`"


class Ranker(nn.Module):
    """(N, 3, H, W) float32 RGB [0, 1], sides at least 32 -> (N,) scores, of any sign; higher is worse.

    The trunk of the ESRGAN discriminator, a global average, dense 100 and 1.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.channels = channels
        self.trunk = esrgan_trunk(channels)
        self.head = nn.Sequential(nn.Linear(8 * channels, 100), nn.LeakyReLU(SLOPE), nn.Linear(100, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Return the scores."""
        scores: Tensor = self.head(self.trunk(image).mean((2, 3)))
        return scores.squeeze(1)


def margin_ranking(first: Tensor, second: Tensor, order: Tensor) -> Tensor:
    """Mean of max(0, 0.5 - order (first - second)): 0 where all pairs are in order by the margin or more.

    Args:
        first: (N,) scores.
        second: (N,) scores.
        order: (N,) of 1, where the first picture is the worse one, and -1.
    """
    return F.margin_ranking_loss(first, second, order, margin=MARGIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankConfig:
    """Which ranker."""

    ranker: str = "ranker.npz"
    """Path of a file written by `facesr_train.ranker`, relative to the working directory."""


class RankLoss(nn.Module):
    """Rank-content loss: mean of sigmoid(score of the output), in (0, 1); the target is not looked at.

    (N, 3, H, W) float32 RGB twice -> scalar, not 0 for equal pictures. The ranker is frozen and always in
    evaluation mode. The authors' code sums over the batch: their weight of 0.03 at a batch of 8 is 0.24 here.
    """

    def __init__(self, config: RankConfig) -> None:
        """Read the ranker.

        Raises:
            ModelError: The file is missing or no ranker.
        """
        super().__init__()
        self.ranker = load_ranker(Path(config.ranker)).requires_grad_(False)
        self.train(mode=False)

    def train(self, mode: bool = True) -> RankLoss:
        """Stay in evaluation mode: statistics of a batch of outputs would hide what is wrong with it."""
        super().train(False)
        return self

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return torch.sigmoid(self.ranker(output)).mean()


def save_ranker(path: Path, ranker: Ranker) -> None:
    """Write an .npz file with the tensors of the state dictionary, the width and the format."""
    buffer = io.BytesIO()
    arrays = {name: tensor.cpu().numpy() for name, tensor in ranker.state_dict().items()}
    np.savez(buffer, facesr_ranker=np.int64(FORMAT), channels=np.int64(ranker.channels), **arrays)
    path.write_bytes(buffer.getvalue())


def load_ranker(path: Path) -> Ranker:
    """Read a ranker to the CPU, in evaluation mode; nothing in the file is executed.

    Raises:
        ModelError: There is no such file, or it is no ranker of this version.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such ranker; {_HOW}")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            if int(arrays["facesr_ranker"]) != FORMAT:
                raise ModelError(f"{path}: a ranker of another version of facesr-cli; {_HOW}")
            ranker = Ranker(int(arrays["channels"]))
            names = ranker.state_dict().keys()
            ranker.load_state_dict({name: torch.from_numpy(arrays[name]) for name in names})
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: not a ranker, or a damaged one ({error}); {_HOW}") from error
    return ranker.eval()
