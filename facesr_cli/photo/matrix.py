"""Colour conversion of 16-bit samples for profiles made of three curves and a matrix.

Pillow's ImageCms converts 8-bit pixels only. Display P3, Adobe RGB, ProPhoto and their like are a curve per
channel and a 3x3 matrix to XYZ at D50 (ICC.1:2022, 10.6 `curveType`, 10.18 `parametricCurveType`, F.3), which
is short in numpy. Relative colorimetric between two such profiles is the matrices alone: white is already
D50 in both, and black is zero.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_LEVELS = 65536
# XYZ at D50 of the sRGB primaries, columns R G B: IEC 61966-2-1 adapted by Bradford, as in sRGB profiles.
_SRGB_MATRIX = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
_TABLE_TAGS = (b"A2B0", b"A2B1", b"D2B1")  # such profiles are more than a matrix


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatrixProfile:
    """An RGB colour space."""

    to_xyz: NDArray[np.float64]
    """(3, 3): linear RGB to XYZ at D50."""
    curves: tuple[NDArray[np.float32], ...]
    """Three of (65536,): sample to linear light 0-1, never falling."""
    inverses: tuple[NDArray[np.uint16], ...]
    """Three of (65536,): square root of linear light, times 65535, to sample. The root spreads the shadows as
    the eye does, so that no level is lost there."""


@lru_cache(maxsize=8)
def matrix_profile(profile: bytes) -> MatrixProfile | None:
    """Return the curves and the matrix of an ICC profile; None where it is broken or has tables instead."""
    try:
        tags = _tags(profile)
        if any(name in tags for name in _TABLE_TAGS):
            return None
        columns = [struct.unpack(">3i", tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    except (KeyError, struct.error, ValueError):
        return None
    to_xyz = np.array(columns, dtype=np.float64).T / 65536
    if abs(np.linalg.det(to_xyz)) < 1e-6 or not all(np.isfinite(curve).all() for curve in curves):
        return None
    return _profile(to_xyz, curves)


@lru_cache(maxsize=1)
def srgb() -> MatrixProfile:
    """Return sRGB."""
    encoded = np.linspace(0, 1, _LEVELS)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return _profile(_SRGB_MATRIX, [linear] * 3)


def convert(
    pixels: NDArray[np.uint16], source: MatrixProfile, destination: MatrixProfile
) -> NDArray[np.uint16]:
    """(H, W, 3) uint16 from one colour space to another; colours outside of it are clipped per channel."""
    matrix = (np.linalg.inv(destination.to_xyz) @ source.to_xyz).astype(np.float32)
    linear = np.stack([source.curves[channel][pixels[:, :, channel]] for channel in range(3)], axis=2)
    linear = linear @ matrix.T
    np.clip(linear, 0, 1, out=linear)
    index = np.rint(np.sqrt(linear, out=linear) * 65535).astype(np.uint16)
    return np.stack([destination.inverses[channel][index[:, :, channel]] for channel in range(3)], axis=2)


def _profile(to_xyz: NDArray[np.float64], curves: list[NDArray[np.float64]]) -> MatrixProfile:
    samples = np.arange(_LEVELS, dtype=np.float64)
    light = (samples / 65535) ** 2
    rising = [np.maximum.accumulate(np.clip(curve, 0, 1)) for curve in curves]
    return MatrixProfile(
        to_xyz=to_xyz,
        curves=tuple(curve.astype(np.float32) for curve in rising),
        inverses=tuple(np.rint(np.interp(light, curve, samples)).astype(np.uint16) for curve in rising),
    )


def _tags(profile: bytes) -> dict[bytes, bytes]:
    if profile[36:40] != b"acsp" or profile[16:20] != b"RGB " or profile[20:24] != b"XYZ ":
        raise ValueError("not an RGB profile with XYZ in between")
    (count,) = struct.unpack(">I", profile[128:132])
    if count > 200:
        raise ValueError("too many tags")
    found = {}
    for number in range(count):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        found[name] = profile[offset : offset + size]
    return found


def _curve(data: bytes) -> NDArray[np.float64]:
    """One tone curve over all 65536 sample values."""
    encoded = np.linspace(0, 1, _LEVELS)
    if data[:4] == b"curv":
        (count,) = struct.unpack(">I", data[8:12])
        if count == 0:
            return encoded
        values = np.frombuffer(data[12 : 12 + 2 * count], dtype=">u2")
        if len(values) != count:
            raise ValueError("curve ends early")
        if count == 1:
            gamma: NDArray[np.float64] = encoded ** (int(values[0]) / 256)
            return gamma
        table: NDArray[np.float64] = np.interp(encoded, np.linspace(0, 1, count), values / 65535)
        return table
    if data[:4] == b"para":
        return _parametric(encoded, data)
    raise ValueError("unknown kind of curve")


def _parametric(x: NDArray[np.float64], data: bytes) -> NDArray[np.float64]:
    """Y = (aX + b)^g + e where X >= d, else cX + f; kinds 0-4 leave out different ones of these."""
    kind = struct.unpack(">H", data[8:10])[0]
    names = {0: "g", 1: "gab", 2: "gabe", 3: "gabcd", 4: "gabcdef"}.get(kind)
    if names is None:
        raise ValueError("unknown parametric curve")
    raw = struct.unpack(f">{len(names)}i", data[12 : 12 + 4 * len(names)])
    p = dict.fromkeys("bcdef", 0.0) | {"a": 1.0}
    p |= {name: value / 65536 for name, value in zip(names, raw, strict=True)}
    if kind in (1, 2):
        if p["a"] == 0:
            raise ValueError("flat curve")
        p["d"], p["f"] = -p["b"] / p["a"], p["e"]  # below it the curve is constant
    power = np.maximum(p["a"] * x + p["b"], 0) ** p["g"] + p["e"]
    curve: NDArray[np.float64] = np.where(x >= p["d"], power, p["c"] * x + p["f"])
    return curve
