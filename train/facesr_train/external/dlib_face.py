"""dlib's face recognition ResNet as the identity network.

King 2017, http://blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html: a residual network of 29
convolutions, after ResNet-34 (He et al. 2015, https://arxiv.org/abs/1512.03385) with fewer layers and half
the filters. Weights CC0-1.0, from the distribution `face-recognition-models`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from facesr_train.external.frozen import FrozenNetwork
from facesr_train.external.packages import Arrays, PackagedFile, PackagedWeights, load_arrays

SIDE_PX = 150
"""Side of the face crop that the network was trained on."""
EMBEDDING = 128
"""Numbers that describe a face; dlib takes two faces for one person where they differ by less than 0.6 in
L2."""

_MEAN = (122.782, 117.001, 104.298)  # RGB, in 8-bit levels
_LEVELS = (
    # channels, blocks after the reducing one; the first level reduces nothing
    (32, 3),
    (64, 3),
    (128, 2),
    (256, 2),
)


class FaceFeatures(NamedTuple):
    """What the network sees; sides are those for 150x150."""

    stage64: Tensor
    """(N, 64, 17, 17): shapes of eyes, nose and mouth, still in place."""
    stage128: Tensor
    """(N, 128, 8, 8)."""
    embedding: Tensor | None
    """(N, 128), norm about 1.4; None where it was not asked for."""


class Affine(nn.Module):
    """Scale and shift of each channel: batch normalisation after training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape and dtype as `x`, (N, channels, H, W)."""
        scale, shift = (p.to(x.dtype)[:, None, None] for p in (self.scale, self.shift))
        return x * scale + shift


class Block(nn.Module):
    """Two 3x3 convolutions with a residual; a reducing block halves the sides.

    Its shortcut is then the mean of 2x2 pixels, and the smaller of the two is filled up with zeros on the
    right, at the bottom and in the last channels.
    """

    def __init__(self, inputs: int, outputs: int, *, reduces: bool = False) -> None:
        super().__init__()
        stride, padding = (2, 0) if reduces else (1, 1)
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding)
        self.first_affine = Affine(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.second_affine = Affine(outputs)
        self._reduces = reduces

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output after ReLU."""
        change = F.relu(self.first_affine(self.first(x)))
        change = self.second_affine(self.second(change))
        shortcut = F.avg_pool2d(x, 2) if self._reduces else x
        if shortcut.shape != change.shape:
            largest = torch.Size(map(max, zip(shortcut.shape, change.shape, strict=True)))
            shortcut, change = _fill(shortcut, largest), _fill(change, largest)
        return F.relu(shortcut + change)


class DlibFace(FrozenNetwork):
    """The frozen network with fresh weights; `build` gives the trained ones."""

    def __init__(self) -> None:
        super().__init__()
        inputs = _LEVELS[0][0]
        self.stem = nn.Conv2d(3, inputs, 7, 2)
        self.stem_affine = Affine(inputs)
        self.levels = nn.ModuleList()
        for index, (channels, blocks) in enumerate(_LEVELS):
            level = nn.Sequential()
            if index:
                level.append(Block(inputs, channels, reduces=True))
            for _ in range(blocks):
                level.append(Block(channels, channels))
            self.levels.append(level)
            inputs = channels
        self.last = Block(inputs, inputs, reduces=True)
        self.projection = nn.Linear(inputs, EMBEDDING, bias=False)
        mean = torch.tensor(_MEAN)[:, None, None]
        self.register_buffer("mean", mean, persistent=False)
        self.mean: Tensor
        self.freeze()

    @classmethod
    def build(cls) -> DlibFace:
        """Return the network with its trained weights.

        Raises:
            MissingExtraError: The extra `identity` is not installed.
            CapabilityError: Its file is not the known one.
        """
        network = cls()
        network.load_in_order(load_arrays(WEIGHTS).values())
        return network

    def forward(self, images: Tensor, *, embedding: bool = True) -> FaceFeatures:
        """Look at faces, or at parts of photographs where only the features in the middle count.

        Args:
            images: (N, 3, H, W) RGB, [0, 1], not clamped; 150x150 for the embedding, for features alone any
                size from 64 px on.
            embedding: Whether to compute the last level and the embedding.

        Returns:
            Features in the dtype that autocast gives.
        """
        x = F.relu(self.stem_affine(self.stem((images * 255 - self.mean) / 256)))
        x = F.max_pool2d(x, 3, 2)
        stages = []
        for level in self.levels if embedding else self.levels[:3]:
            x = level(x)
            stages.append(x)
        vector = self.projection(self.last(x).mean((2, 3))) if embedding else None
        return FaceFeatures(stages[1], stages[2], vector)


def _fill(x: Tensor, shape: torch.Size) -> Tensor:
    """Append zeros to channels, rows and columns."""
    channels, rows, columns = (shape[axis] - x.shape[axis] for axis in (1, 2, 3))
    return F.pad(x, (0, columns, 0, rows, 0, channels))


_LAYER = re.compile(rb"\x01(?:\x05con_4|\x07affine_|\x04fc_2)")
"""Names of layers that hold weights, after their length as an integer of one byte."""


def parse_dat(content: bytes) -> Arrays:
    """Read the weights of a network that dlib has serialised, in the order in which it computes.

    An integer is a control byte (low four bits: how many bytes follow; top bit: negative), then the bytes,
    lowest first. A tensor is a version, four dimensions and little-endian float32. What else a layer says of
    itself is skipped.

    Args:
        content: Of the `.dat` file.

    Returns:
        Per convolution `.weight` (out, in, k, k) and `.bias` (out,), per affine layer `.scale` and `.shift`
        (C,), of the last layer `.weight` (out, in).
    """
    arrays: Arrays = {}
    position = 0
    while layer := _LAYER.search(content, position):
        kind, name, position = layer.group()[2:], f"layer{len(arrays):03}", layer.end()
        if kind == b"fc_2":
            (outputs, inputs), position = _integers(content, position, 2)
            values, position = _tensor(content, position)
            arrays[f"{name}.weight"] = np.ascontiguousarray(values.reshape(inputs, outputs).T)
        elif kind == b"affine_":
            values, position = _tensor(content, position)
            arrays[f"{name}.scale"], arrays[f"{name}.shift"] = np.split(values, 2)
        else:
            values, position = _tensor(content, position)
            (outputs, rows, columns), position = _integers(content, position, 3)
            weight, bias = np.split(values, [-outputs])
            arrays[f"{name}.weight"] = weight.reshape(outputs, -1, rows, columns)
            arrays[f"{name}.bias"] = bias
    return arrays


def _integers(content: bytes, position: int, count: int) -> tuple[list[int], int]:
    """That many integers, and the position after them."""
    numbers = []
    for _ in range(count):
        control = content[position]
        end = position + 1 + (control & 0x0F)
        number = int.from_bytes(content[position + 1 : end], "little")
        numbers.append(-number if control & 0x80 else number)
        position = end
    return numbers, position


def _tensor(content: bytes, position: int) -> tuple[NDArray[np.float32], int]:
    """The values of a tensor in one row, and the position after it."""
    (_version, *shape), position = _integers(content, position, 5)
    count = int(np.prod(shape))
    end = position + count * struct.calcsize("<f")
    return np.frombuffer(content[position:end], "<f4").astype(np.float32), end


def _read(contents: Sequence[bytes]) -> Arrays:
    (content,) = contents
    return parse_dat(content)


WEIGHTS = PackagedWeights(
    name="dlib-face-resnet",
    distribution="face-recognition-models",
    version="0.3.0",
    extra="identity",
    files=(
        PackagedFile(
            path="face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
            sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        ),
    ),
    values=5_614_592,
    instead="a recipe of your own can leave the loss `identity` out",
    read=_read,
)
