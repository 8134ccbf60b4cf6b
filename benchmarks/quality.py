"""What another provider or precision costs in PSNR, beside the plain CPU provider in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.photographs import EXAMPLE, photograph
from facesr_cli.bench.contestants import DEGRADATION_SCALE
from facesr_cli.bench.degradations import bicubic
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.model.providers import PROVIDERS
from facesr_cli.model.upscaler import Upscaler

_MADE = 3
_EXAMPLE_PX = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Means over the photographs, 8-bit RGB."""

    psnr_against_plain_db: float
    """PSNR between the two results; infinite where they are equal."""
    psnr_loss_db: float | None
    """PSNR of the plain result against the original, less that of the other; None where the network does not
    double."""


def originals(side_px: int) -> list[NDArray[np.uint8]]:
    """Return the example, (H, W, 3) uint8 RGB, and photographs made from it, all square of `side_px`."""
    made = [photograph(side_px, side_px, seed=seed) for seed in range(_MADE)]
    with Image.open(EXAMPLE) as opened:
        example = opened.convert("RGB")
    if side_px < _EXAMPLE_PX:
        edge = (_EXAMPLE_PX - side_px) // 2
        example = example.crop((edge, edge // 2, edge + side_px, edge // 2 + side_px))
    return [np.asarray(example), *made]


def enlarged(upscaler: Upscaler, truths: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Halve each original by the degradation `bicubic` and enlarge it again."""
    return [np.asarray(upscaler.upscale(bicubic(truth)), dtype=np.uint8) for truth in truths]


def loss(
    truths: Sequence[NDArray[np.uint8]],
    plain: Sequence[NDArray[np.uint8]],
    other: Sequence[NDArray[np.uint8]],
    *,
    scale: int,
) -> Loss:
    """Compare what two providers or precisions made of the same photographs."""
    against = [psnr_db(mine, theirs) for mine, theirs in zip(other, plain, strict=True)]
    lost = None
    if scale == DEGRADATION_SCALE:
        lost = float(
            np.mean(
                [
                    psnr_db(theirs, truth) - psnr_db(mine, truth)
                    for truth, theirs, mine in zip(truths, plain, other, strict=True)
                ]
            )
        )
    return Loss(psnr_against_plain_db=float(np.mean(against)), psnr_loss_db=lost)


def fp16_loss(model: str, provider: str, device: int, side_px: int) -> dict[str, Any]:
    """PSNR of fp16 beside fp32 on the same provider; `missing` where it has no fp16."""
    row: dict[str, Any] = {"model": model, "provider": provider}
    if "fp16" not in PROVIDERS[provider].precisions:
        return row | {"missing": f"{provider} has no fp16"}
    truths, results, scale = originals(side_px), {}, 0
    for precision in ("fp32", "fp16"):
        with Upscaler(model, provider=provider, device=device, precision=precision) as upscaler:
            results[precision], scale = enlarged(upscaler, truths), upscaler.scale
    found = loss(truths, results["fp32"], results["fp16"], scale=scale)
    return row | {"precision": "fp16"} | asdict(found)
