"""JPEG coding and decoding of 8-bit tensors, equal to libjpeg's, for training on any device.

Every stage is the integer arithmetic of libjpeg(-turbo)'s defaults, which Pillow uses: BT.601 full-range
colour in 16-bit fixed point, 2x2 averaging with alternating bias for 4:2:0, the 13-bit "islow" transforms,
rounded division by the scaled standard tables (ITU-T T.81, annex K), and triangle ("fancy") upsampling.
Because the transforms are linear up to their final rounding, each is one product with an integer matrix.
Tests compare with Pillow: equal in every sample.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *(99,) * 32,
)  # fmt: skip

_FIX = 1 << 16


def jpeg_round_trip(images: Tensor, quality: Tensor, *, full_colour: int) -> Tensor:
    """What a JPEG file of each image decodes to.

    Args:
        images: (N, 3, H, W) uint8 RGB; H and W multiples of 16.
        quality: (N,) int64 1-100, libjpeg's scale, on the device of `images`.
        full_colour: So many of the first images are stored with colour at full resolution (4:4:4), the
            others at half (4:2:0).

    Returns:
        (N, 3, H, W) uint8 RGB.

    Raises:
        ValueError: H or W is not a multiple of 16.
    """
    if images.shape[2] % 16 or images.shape[3] % 16:
        raise ValueError(f"JPEG blocks need sides that are multiples of 16, not {tuple(images.shape[2:])}")
    luma, blue, red = _to_ycc(images.to(torch.int32))
    tables = _all_tables(images.device)[:, quality - 1]  # (2, N, 8, 8)
    colour, steps = torch.stack((blue, red)), tables[1].expand(2, -1, 8, 8)  # (2, N, H, W), (2, N, 8, 8)
    sizes = [full_colour, len(images) - full_colour]
    full, halved = torch.split(colour, sizes, 1)
    full_steps, halved_steps = torch.split(steps, sizes, 1)
    planes, planes_steps = [luma], [tables[0]]
    if full.numel():
        planes.append(full.flatten(0, 1))
        planes_steps.append(full_steps.flatten(0, 1))
    if halved.numel():
        planes.append(_reduce(halved.flatten(0, 1)))
        planes_steps.append(halved_steps.flatten(0, 1))
    luma, *coded = _code(planes, planes_steps)
    if halved.numel():
        coded[-1] = _enlarge(coded[-1])
    blue, red = torch.cat([part.view(2, -1, *luma.shape[1:]) for part in coded], 1).unbind(0)
    return _to_rgb(luma, blue, red)


def _fixed(value: float) -> int:
    return int(value * _FIX + 0.5)


def _to_ycc(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 3, H, W) int32 -> three (N, H, W) int32 planes."""
    r, g, b = rgb.unbind(1)
    half, centre = _FIX // 2, 128 * _FIX
    luma = (_fixed(0.299) * r + _fixed(0.587) * g + _fixed(0.114) * b + half) >> 16
    blue = (-_fixed(0.16874) * r - _fixed(0.33126) * g + _FIX // 2 * b + centre + half - 1) >> 16
    red = (_FIX // 2 * r - _fixed(0.41869) * g - _fixed(0.08131) * b + centre + half - 1) >> 16
    return luma, blue, red


def _to_rgb(luma: Tensor, blue: Tensor, red: Tensor) -> Tensor:
    """Three (N, H, W) int32 planes -> (N, 3, H, W) uint8."""
    blue, red, half = blue - 128, red - 128, _FIX // 2
    r = luma + ((_fixed(1.402) * red + half) >> 16)
    g = luma + ((-_fixed(0.34414) * blue - _fixed(0.71414) * red + half) >> 16)
    b = luma + ((_fixed(1.772) * blue + half) >> 16)
    return torch.stack((r, g, b), 1).clamp(0, 255).to(torch.uint8)


def _reduce(plane: Tensor) -> Tensor:
    """2x2 mean; the rounding bias alternates 1, 2 along a row so that it does not drift."""
    total = plane[:, ::2, ::2] + plane[:, 1::2, ::2] + plane[:, ::2, 1::2] + plane[:, 1::2, 1::2]
    bias = 1 + (torch.arange(total.shape[2], device=plane.device, dtype=torch.int32) & 1)
    return (total + bias) >> 2


def _enlarge(plane: Tensor) -> Tensor:
    """Double both sides with the triangle filter 3:1, first down the columns, then along the rows."""
    above = torch.cat((plane[:, :1], plane[:, :-1]), 1)
    below = torch.cat((plane[:, 1:], plane[:, -1:]), 1)
    rows = torch.stack((3 * plane + above, 3 * plane + below), 2).flatten(1, 2)
    left = torch.cat((rows[:, :, :1], rows[:, :, :-1]), 2)
    right = torch.cat((rows[:, :, 1:], rows[:, :, -1:]), 2)
    return torch.stack(((3 * rows + left + 8) >> 4, (3 * rows + right + 7) >> 4), 3).flatten(2, 3)


@cache
def _all_tables(device: torch.device) -> Tensor:
    """(2, 100, 8, 8) float64 quantisation steps, 1 to 255, of luma and chroma for qualities 1 to 100."""
    quality = torch.arange(1, 101)
    percent = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    base = torch.tensor((_LUMA, _CHROMA)).view(2, 1, 8, 8)
    return ((base * percent.view(-1, 1, 1) + 50) // 100).clamp(1, 255).double().to(device)


def _code(planes: list[Tensor], tables: list[Tensor]) -> list[Tensor]:
    """Transform, quantise, and transform back (N, H, W) int32 samples of 0-255 by their (N, 8, 8) tables.

    The blocks of all planes go together. They are turned over between rows and columns, so that every product
    has the small matrix on its right. Each product is divided by a power of two and rounded half up; float64
    holds these numbers exactly.
    """
    matrix = _transform_matrix(planes[0].device)
    counts = [plane.numel() // 64 for plane in planes]
    blocks = torch.cat([_blocks(plane) for plane in planes]).double() - 128
    table = torch.cat([_per_block(part, count) for part, count in zip(tables, counts, strict=True)]).mT
    coefficients = _rounded(blocks @ (matrix.T / 2**11)).mT.contiguous()  # rows first, as libjpeg does
    coefficients = _rounded(coefficients @ (matrix.T / 2**15))  # 8 times the orthonormal one, turned over
    steps = 8 * table
    levels = coefficients.sign() * ((coefficients.abs() + (steps / 2).floor()) / steps).floor()
    samples = _rounded((levels * table) @ (matrix / 2**11)).mT.contiguous()  # columns first
    samples = (_rounded(samples @ (matrix / 2**18)) + 128).clamp(0, 255).to(torch.int32)
    return [
        part.view(plane.shape[0], plane.shape[1] // 8, plane.shape[2] // 8, 8, 8)
        .transpose(2, 3)
        .reshape(plane.shape)
        for part, plane in zip(torch.split(samples, counts), planes, strict=True)
    ]


def _blocks(plane: Tensor) -> Tensor:
    """(N, H, W) -> (N * H / 8 * W / 8, 8, 8)."""
    n, height, width = plane.shape
    return plane.view(n, height // 8, 8, width // 8, 8).transpose(2, 3).reshape(-1, 8, 8)


def _per_block(tables: Tensor, count: int) -> Tensor:
    """(N, 8, 8) -> (count, 8, 8), each as often as its picture has blocks."""
    return tables[:, None].expand(-1, count // len(tables), 8, 8).reshape(-1, 8, 8)


def _rounded(values: Tensor) -> Tensor:
    return torch.floor(values + 0.5)


@cache
def _transform_matrix(device: torch.device) -> Tensor:
    """libjpeg's accurate integer DCT as an 8x8 float64 matrix: coefficient k from sample n, times 2**13.

    The factorisation is that of Loeffler, Ligtenberg and Moschytz (1989); its constants are rounded to 13
    bits before they are added up, so they are added up here in the same way.
    """
    c = {
        name: round(value * (1 << 13))
        for name, value in {
            "0.298": 0.298631336, "0.390": 0.390180644, "0.541": 0.541196100, "0.765": 0.765366865,
            "0.899": 0.899976223, "1.175": 1.175875602, "1.501": 1.501321110, "1.847": 1.847759065,
            "1.961": 1.961570560, "2.053": 2.053119869, "2.562": 2.562915447, "3.072": 3.072711026,
        }.items()
    }  # fmt: skip
    eye = torch.eye(8, dtype=torch.float64)
    sums = [eye[k] + eye[7 - k] for k in range(4)]
    d4, d5, d6, d7 = (eye[k] - eye[7 - k] for k in (3, 2, 1, 0))
    s10, s13 = sums[0] + sums[3], sums[0] - sums[3]
    s11, s12 = sums[1] + sums[2], sums[1] - sums[2]
    z1 = (s12 + s13) * c["0.541"]
    rows = {
        0: (s10 + s11) * (1 << 13),
        4: (s10 - s11) * (1 << 13),
        2: z1 + s13 * c["0.765"],
        6: z1 - s12 * c["1.847"],
    }
    z5 = (d4 + d6 + d5 + d7) * c["1.175"]
    z1, z2 = -(d4 + d7) * c["0.899"], -(d5 + d6) * c["2.562"]
    z3, z4 = z5 - (d4 + d6) * c["1.961"], z5 - (d5 + d7) * c["0.390"]
    rows[7] = d4 * c["0.298"] + z1 + z3
    rows[5] = d5 * c["2.053"] + z2 + z4
    rows[3] = d6 * c["3.072"] + z2 + z3
    rows[1] = d7 * c["1.501"] + z1 + z4
    return torch.stack([rows[k] for k in range(8)]).to(device)
