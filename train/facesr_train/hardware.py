"""What the training device computes fast: bfloat16 or float32, and in which memory layout."""

from __future__ import annotations

from typing import Any, Literal

import torch
from lightning_fabric.plugins import MixedPrecision, Precision


def has_fast_bfloat16(device_type: str) -> bool:
    """Whether the hardware multiplies bfloat16 faster than float32: tensor cores, AMX or AVX-512 BF16.

    By AVX-512 BF16 two cores of an AMD EPYC (Zen 4) trained the preset `cpu` of `face-x2-hq` 1.6 times as
    fast as in float32 (6.0 and 3.8 steps/s).
    """
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def training_precision(device_type: str) -> Literal["bf16-mixed", "32-true"]:
    """bfloat16 autocast where the hardware multiplies it fast, else float32; in Fabric's words."""
    return "bf16-mixed" if has_fast_bfloat16(device_type) else "32-true"


class PicturesInFloat32(MixedPrecision):
    """bfloat16 autocast that leaves the pictures which a network is given as they are.

    Fabric's own rounds them first. bfloat16 has 8 bits of mantissa and pictures have levels of 1/255: the
    brighter half would come in up to half a level too bright, and a network learns to take that off again.
    """

    def convert_input(self, data: Any) -> Any:
        """Return `data`: autocast brings to bfloat16 what an operation wants in it."""
        return data


def precision_plugin(device_type: str) -> Precision:
    """What Fabric computes in, as `training_precision` says."""
    if training_precision(device_type) == "32-true":
        return Precision()
    return PicturesInFloat32("bf16-mixed", device_type)


def memory_layout(device: torch.device) -> torch.memory_format:
    """The layout of pictures in which 3x3 convolutions train fastest on `device`.

    Channels last suits tensor cores and AMX; float32 on AVX2 was about a fifth faster in torch's default
    layout, in one trial with `face-x2`.
    """
    return torch.channels_last if has_fast_bfloat16(device.type) else torch.contiguous_format
