from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from facesr_cli.errors import MissingExtraError
from facesr_train.external.esrgan_prior import WEIGHTS, load_prior, parse_ncnn

MARK = 0x01306B47.to_bytes(4, "little")


def files(mark=MARK, rest=b""):
    """Two convolutions, the first with an odd number of weights; float16 holds all values exactly."""
    param = """7767517
4 4
Input            data   0 1 in
Convolution      Conv_0 1 1 in a 0=1 1=3 4=1 5=1 6=9
Split            split  1 2 a b c
Convolution      Conv_3 1 1 c out 0=2 1=3 4=1 5=1 6=18 9=2 -23310=1,2.000000e-01
"""
    first, second = np.arange(9, dtype="<f2"), np.arange(18, dtype="<f2") / 4
    weights = mark + first.tobytes() + b"\0\0" + np.float32(0.1).tobytes()
    weights += mark + second.tobytes() + np.array([0.2, 0.3], "<f4").tobytes() + rest
    return param.encode(), weights


def test_convolutions_are_read_in_order():
    arrays = parse_ncnn(*files())
    assert {name: array.shape for name, array in arrays.items()} == {
        "Conv_0.weight": (1, 1, 3, 3),
        "Conv_0.bias": (1,),
        "Conv_3.weight": (2, 1, 3, 3),
        "Conv_3.bias": (2,),
    }
    np.testing.assert_array_equal(arrays["Conv_3.weight"].ravel(), np.arange(18) / 4)
    np.testing.assert_array_equal(arrays["Conv_3.bias"], np.float32([0.2, 0.3]))
    assert all(array.dtype == np.float32 for array in arrays.values())


def test_files_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="4 bytes of weights belong to no convolution"):
        parse_ncnn(*files(rest=b"rest"))
    param, weights = files()
    with pytest.raises(ValueError, match="Conv_3: the weights end"):
        parse_ncnn(param, weights[:-1])
    with pytest.raises(ValueError, match="Conv_0: no float16 weights at byte 0"):
        parse_ncnn(*files(mark=b"\0\0\0\0"))


@pytest.fixture(scope="module")
def prior():
    try:
        return load_prior()
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_the_prior_has_351_convolutions(prior):
    assert sum(tensor.numel() for tensor in prior.values()) == WEIGHTS.values == 16_697_987
    assert len(prior) == 2 * 351
    assert all(tensor.dtype == torch.float32 for tensor in prior.values())
    outputs = [tensor.shape[0] for tensor in prior.values() if tensor.dim() == 4]
    assert outputs == [64, *23 * 3 * [32, 32, 32, 32, 64], 64, 64, 64, 64, 3]


@torch.no_grad()
def test_the_prior_enlarges_a_photograph(prior, astronaut):
    tensors = iter(prior.values())

    def convolution(x):
        return F.conv2d(x, next(tensors), next(tensors), padding=1)

    def active(x):
        return F.leaky_relu(convolution(x), 0.2)

    crop = astronaut[:, :, 96:128, 208:240]
    x = first = convolution(crop)
    for _ in range(23):
        block = x
        for _ in range(3):
            dense = [x]
            for _ in range(4):
                dense.append(active(torch.cat(dense, 1)))
            x = x + 0.2 * convolution(torch.cat(dense, 1))
        x = block + 0.2 * x
    x = first + convolution(x)
    for _ in range(2):
        x = active(F.interpolate(x, scale_factor=2, mode="nearest"))
    enlarged = convolution(active(x))
    assert enlarged.shape == (1, 3, 128, 128)
    assert next(tensors, None) is None
    psnr_db = -10 * torch.log10(F.mse_loss(F.avg_pool2d(enlarged, 4), crop))
    assert psnr_db > 25
