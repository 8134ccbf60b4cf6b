"""The sentences printed with every table, so that nobody has to guess how a figure was made."""

from __future__ import annotations

from facesr_cli.bench.degradations import REPEATABLE
from facesr_cli.bench.ground_truth import GIVEN, Preparation
from facesr_cli.bench.measures import COLOUR_BLOCK_PX
from facesr_cli.bench.niqe import MIN_SIDE_PX, pristine_statistics
from facesr_cli.bench.spectrum import CUTOFF_CYCLES_PER_PX
from facesr_cli.bench.throughput import RUNS

_DEGRADATIONS = {
    "paper": "Gaussian 7x7 of sigma 5 px at full size, antialiased bilinear to half size, 8 bit",
    "paper-alt": "antialiased bilinear to half size, Gaussian 7x7 of sigma 5 px there, 8 bit",
    "bicubic": "antialiased bicubic (a = -0.5) to half size, 8 bit",
    "real": "drawn from the file's name: Gaussian blur of sigma 0.2-1.6 px half of the time; area, bilinear, "
    "bicubic or Lanczos to half size; Gaussian noise of sigma 0-6 levels; 8 bit; JPEG quality 65-98, "
    "4:2:0 half of the time",
    GIVEN: "low-resolution photographs as given, paired by name",
}


def describe_protocol(
    *,
    source: str,
    photographs: int,
    limit: int | None,
    degradations: tuple[str, ...],
    preparation: Preparation,
    scale: int,
    throughput: bool,
) -> dict[str, str]:
    """Return topic and sentence, in print order.

    Args:
        source: The folder or folders, as the user named them.
        photographs: How many were measured.
        limit: Only the first so many by name were asked for.
        degradations: Names in the order of the table.
        preparation: What happened to the originals.
        scale: Factor per side.
        throughput: Whether photographs per second were measured.
    """
    limited = "" if limit is None else f", limited to the first {limit} by name"
    protocol = {
        "photographs": f"{photographs} from {source}{limited}, scale {scale}; every row covers the same ones",
        "original": "as given" if degradations == (GIVEN,) else _preparation(preparation),
    }
    protocol |= {name: _DEGRADATIONS[name] for name in degradations}
    protocol |= {
        "pixels": "decoded as by `upscale`: sRGB, upright, 8 bit, transparency ignored",
        "PSNR": "8-bit RGB, full frame, peak 255, mean of the photographs' values; gain: over bicubic",
        "SSIM": "8-bit RGB, full frame, uniform 7x7 window, mean of the channels (scikit-image)",
        "PSNR-Y": f"BT.601 studio-range luma, not rounded, border of {scale} px left out, peak 255",
        "baselines": "Pillow BILINEAR, BICUBIC (a = -0.5) and LANCZOS of the same 8-bit low resolution",
    }
    protocol |= _beside_psnr(degradations)
    if throughput:
        protocol["photos/s"] = (
            f"JPEG in, JPEG out, decode + inference + encode one after another, at least {RUNS} photographs "
            f"of one size after a warm-up batch; `upscale` overlaps the stages"
        )
        protocol["speed"] = (
            "forward/s: inference alone, array to array; upscale/s: the pipeline of `upscale` on a folder of "
            "copies, journal and writing included, the network open already; of busiest: its share of what "
            "its busiest stage does alone; ms: median (95th percentile) per photograph, one after another; "
            "GFLOP/s: two operations per multiply-add of convolutions and products; limit: the best of three "
            "3x3 convolutions in the same runtime and precision; MiB: peak of process and of the whole GPU"
        )
    return protocol


def _beside_psnr(degradations: tuple[str, ...]) -> dict[str, str]:
    pristine = pristine_statistics()
    repeated = ", ".join(name for name in degradations if name in REPEATABLE)
    others = ", ".join(name for name in degradations if name not in REPEATABLE)
    consistency = ["PSNR of the result, degraded again, against its input, 8-bit RGB"] if repeated else []
    if others:
        consistency.append(f"none for {others}, which cannot be repeated")
    return {
        "HF energy": f"luma energy above {CUTOFF_CYCLES_PER_PX} cycles/px (radial, Hann window on the "
        f"full frame) over that of the original; noise and ringing count too",
        "NIQE": f"distance from sharp portraits ({pristine.blocks} blocks of {pristine.photographs} "
        f"photographs), lower is better; own statistics, not comparable with values of other programs; "
        f"none below {MIN_SIDE_PX} px",
        "CIEDE2000": f"colour difference from the original of {COLOUR_BLOCK_PX}x{COLOUR_BLOCK_PX} px block "
        f"averages (of sRGB values), mean of the blocks",
        "LR dB": "; ".join(consistency),
    }


def _preparation(preparation: Preparation) -> str:
    if preparation.square_px is None:
        return "last row or column of odd sides cut"
    return (
        f"not square or larger than {preparation.square_px} px: centre-cropped to a square and, if still "
        f"larger, reduced to {preparation.square_px} px with Lanczos; last row or column of odd sides cut"
    )
