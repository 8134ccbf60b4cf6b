from __future__ import annotations

import struct

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from facesr_train.external.dlib_face import WEIGHTS, Block, DlibFace, parse_dat


def integer(number):
    size = max((abs(number).bit_length() + 7) // 8, 1)
    return bytes([size | (0x80 if number < 0 else 0)]) + abs(number).to_bytes(size, "little")


def tensor(values):
    shape = (values.size, 1, 1, 1)
    return b"".join(map(integer, (2, *shape))) + values.astype("<f4").tobytes()


def layer(name):
    return integer(len(name)) + name.encode()


def test_a_file_of_dlib_is_read_in_order():
    random = np.random.default_rng(0)
    kernel, bias = random.normal(size=(300, 2, 3, 3)), random.normal(size=300)
    scale, shift, matrix = random.normal(size=300), random.normal(size=300), random.normal(size=(4, 5))
    content = layer("loss_metric_2") + integer(-70000) + layer("con_4")
    content += tensor(np.concatenate([kernel.ravel(), bias])) + b"".join(map(integer, (300, 3, 3, -1, 2)))
    content += layer("affine_") + tensor(np.concatenate([scale, shift])) + integer(0)
    content += layer("fc_2") + integer(5) + integer(4) + tensor(matrix) + struct.pack("<d", 1.0)
    arrays = parse_dat(content)
    assert [name.split(".")[1] for name in arrays] == ["weight", "bias", "scale", "shift", "weight"]
    for found, expected in zip(arrays.values(), (kernel, bias, scale, shift, matrix.T), strict=True):
        np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_the_network_has_all_values_of_the_file():
    tensors = DlibFace().state_dict()
    assert sum(tensor.numel() for tensor in tensors.values()) == WEIGHTS.values == 5_614_592
    assert sum(tensor.dim() == 4 for tensor in tensors.values()) == 29


def test_features_have_the_stated_shapes(random_dlib_face):
    seen = random_dlib_face(torch.rand(2, 3, 150, 150))
    assert [tuple(part.shape) for part in seen] == [(2, 64, 17, 17), (2, 128, 8, 8), (2, 128)]
    part = random_dlib_face(torch.rand(1, 3, 64, 97), embedding=False)
    assert part.embedding is None
    assert part.stage128.shape == (1, 128, 3, 5)


@torch.no_grad()
def test_a_reducing_block_shortens_by_means_and_fills_up_with_zeros():
    """Without its own change: rows and columns at the end, and channels after the input's, are empty."""
    block = Block(2, 3, reduces=True)
    for parameter in block.parameters():
        parameter.zero_()
    picture = torch.rand(1, 2, 8, 7)  # to 3x3 by the convolution without padding, to 4x3 by the means
    result = block(picture)
    assert result.shape == (1, 3, 4, 3)
    torch.testing.assert_close(result[:, :2], F.avg_pool2d(picture, 2))
    assert float(result[:, 2].abs().max()) == 0
    block.second_affine.shift.fill_(1.0)
    changed = block(picture) - result
    torch.testing.assert_close(changed[..., :3, :], torch.ones(1, 3, 3, 3))
    assert float(changed[..., 3, :].abs().max()) == 0


def test_it_stays_frozen():
    network = DlibFace().train()
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.fixture(scope="module")
def face(astronaut):
    """The astronaut's face in dlib's frame: the left eye about 0.32 of the side from left and top."""
    return F.interpolate(astronaut[:, :, 63:183, 165:285], (150, 150), mode="bilinear", antialias=True)


def test_trained_weights_know_a_face_again(dlib_face, face, astronaut):
    small = F.interpolate(face, (19, 19), mode="bicubic", antialias=True)
    other = F.interpolate(astronaut[:, :, 60:180, 370:490], (150, 150), mode="bilinear", antialias=True)
    faces = [face, face.flip(3), F.interpolate(small, (150, 150), mode="bicubic"), other]
    itself, mirrored, degraded, shuttle = dlib_face(torch.cat(faces)).embedding
    assert 1.3 < itself.norm() < 1.6
    assert (mirrored - itself).norm() < 0.35
    assert (mirrored - itself).norm() < (degraded - itself).norm() < (shuttle - itself).norm()
