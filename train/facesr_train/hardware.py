"""What the training device computes fast: bfloat16 or float32, and in which memory layout."""

from __future__ import annotations

from typing import Literal

import torch


def has_fast_bfloat16(device_type: str) -> bool:
    """Whether the hardware multiplies bfloat16 faster than float32: tensor cores, or AMX.

    AVX-512 BF16 is not taken yet, though on two cores of an AMD EPYC (Zen 4) it trained the preset `cpu` of
    `face-x2-hq` 1.6 times as fast as float32 (6.0 and 3.8 steps/s).
    """
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported())


def training_precision(device_type: str) -> Literal["bf16-mixed", "32-true"]:
    """bfloat16 autocast where the hardware multiplies it fast, else float32; in Fabric's words."""
    return "bf16-mixed" if has_fast_bfloat16(device_type) else "32-true"


def memory_layout(device: torch.device) -> torch.memory_format:
    """The layout of pictures in which 3x3 convolutions train fastest on `device`.

    Channels last suits tensor cores and AMX; float32 on AVX2 was about a fifth faster in torch's default
    layout, in one trial with `face-x2`.
    """
    return torch.channels_last if has_fast_bfloat16(device.type) else torch.contiguous_format
