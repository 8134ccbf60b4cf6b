"""Peak memory of `facesr-cli upscale` on large photographs, each kind in a process of its own.

    python -m benchmarks.memory [--megapixels 50] [--case NAME]... [--model NAME|FILE] [-o RESULT.json]

The photographs are made from `examples/astronaut-512.png`, enlarged and with noise, so that encoders work as
hard as on real ones. The figure is the largest resident size that the kernel saw (`ru_maxrss` of the child).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CASES = {
    "jpeg": "JPEG, 8-bit RGB",
    "jpeg-p3": "JPEG, Display P3 profile",
    "jpeg-cmyk": "JPEG, CMYK",
    "jpeg-grey": "JPEG, grey",
    "png": "PNG, 8-bit RGB",
    "png-alpha": "PNG, 8-bit RGB with alpha, a third wholly transparent",
    "png16": "PNG, 16-bit RGB",
    "png16-p3-alpha": "PNG, 16-bit RGB with alpha, Display P3 profile",
    "tiff16": "TIFF, 16-bit RGB",
    "avif": "AVIF, 8-bit RGB",
    "heic": "HEIC, 8-bit RGB",
}
_SUFFIXES = {"jpeg": ".jpg", "png16": ".png", "tiff16": ".tif"}
_LIMIT_GIB = 4.0
_WITHOUT_LIMIT = ("avif", "heic")
"""Their encoders hold 16 to 22 bytes for each pixel of the output, out of our reach."""


def main() -> int:
    """Measure the cases, print a line for each, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=50.0)
    parser.add_argument("--case", action="append", choices=CASES, dest="cases", help="default: all")
    parser.add_argument("--model", default="face-x2", help="name or file, as of `upscale`")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--make", nargs=2, metavar=("CASE", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        _make(arguments.make[0], Path(arguments.make[1]), arguments.megapixels)
        return 0
    rows = []
    for case in arguments.cases or CASES:
        row = _measure(case, arguments.megapixels, arguments.model)
        rows.append(row)
        sys.stdout.write(f"{CASES[case]:55} {row['peak_gib']:5.2f} GiB {row['elapsed_s']:7.1f} s\n")
        sys.stdout.flush()
    if arguments.output:
        arguments.output.write_text(json.dumps(_document(arguments, rows), indent=2) + "\n")
    over = [row for row in rows if row["peak_gib"] > _LIMIT_GIB and row["case"] not in _WITHOUT_LIMIT]
    return 1 if over else 0


def _measure(case: str, megapixels: float, model: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"photograph{_suffix(case)}"
        # In a process of its own: a child's figure begins with the memory of its parent.
        maker = [sys.executable, "-m", "benchmarks.memory", "--megapixels", str(megapixels)]
        subprocess.run([*maker, "--make", case, str(source)], check=True)
        command = [sys.executable, "-m", "facesr_cli", "upscale", str(source), "--model", model]
        begun_s = time.perf_counter()
        process = subprocess.Popen([*command, "--provider", "cpu", "-o", str(Path(folder) / "out"), "-q"])
        _, status, usage = os.wait4(process.pid, 0)
        elapsed_s = time.perf_counter() - begun_s
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{case}: upscale ended with {process.returncode}")
        written = next((Path(folder) / "out").glob("photograph*"))
        return {
            "case": case,
            "kind": CASES[case],
            "peak_gib": round(usage.ru_maxrss / 2**20, 3),  # kB on Linux
            "elapsed_s": round(elapsed_s, 1),
            "input_bytes": source.stat().st_size,
            "output_bytes": written.stat().st_size,
        }


def _document(arguments: argparse.Namespace, rows: list[dict[str, Any]]) -> dict[str, Any]:
    from facesr_cli.bench.environment import describe_environment

    return {
        "program": "benchmarks.memory",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "megapixels": arguments.megapixels,
        "model": Path(arguments.model).name,
        "environment": describe_environment(),
        "rows": rows,
    }


def _suffix(case: str) -> str:
    return next((_SUFFIXES[key] for key in _SUFFIXES if case.startswith(key)), f".{case.split('-')[0]}")


def _make(case: str, path: Path, megapixels: float) -> None:
    """Write one photograph of 4:3."""
    import numpy as np
    from PIL import Image

    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = height * 4 // 3
    example = Path(__file__).resolve().parents[1] / "examples" / "astronaut-512.png"
    with Image.open(example) as small:
        smooth = small.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).integers(-6, 7, (height, width, 1), dtype=np.int16)
    pixels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    if case == "jpeg-p3":
        image.save(path, quality=95, icc_profile=_display_p3())
    elif case == "jpeg-cmyk":
        image.convert("CMYK").save(path, quality=95)
    elif case == "jpeg-grey":
        image.convert("L").save(path, quality=95)
    elif case == "png-alpha":
        image.putalpha(Image.fromarray(_alpha(height, width)))
        image.save(path, compress_level=1)
    elif case.startswith("png16") or case == "tiff16":
        _make_deep(case, path, pixels.astype(np.uint16) * 257)
    elif case == "heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
        image.save(path, quality=80)
    elif case == "avif":
        image.save(path, quality=80, speed=10)
    else:
        image.save(path, quality=95, compress_level=1)


def _make_deep(case: str, path: Path, samples: Any) -> None:
    """Write uint16 (H, W, 3) by the writers of facesr-cli itself: Pillow has none."""
    from facesr_cli.photo import FileFormat, Photo, encode

    height, width = samples.shape[:2]
    alpha = _alpha(height, width).astype(samples.dtype) * 257 if case.endswith("alpha") else None
    profile = _display_p3() if "p3" in case else None
    kind = FileFormat.TIFF if case == "tiff16" else FileFormat.PNG
    photo = Photo(pixels=samples, alpha=alpha, icc_profile=profile, format="PNG")
    path.write_bytes(encode(photo, file_format=kind))


def _alpha(height: int, width: int) -> Any:
    """(H, W) uint8: transparent above, then squares, then a ramp."""
    import numpy as np

    ramp = np.broadcast_to(np.linspace(1, 255, width), (height, width)).astype(np.uint8)
    rows, columns = np.ogrid[:height, :width]
    ramp[(rows // 64 + columns // 64) % 5 == 0] = 0
    ramp[: height // 6] = 0
    return ramp


def _display_p3() -> bytes:
    """Display P3 with a gamma of 2.2, built tag by tag (ICC.1:2001-04)."""
    import struct

    def s15(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    columns = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
    tags = {
        f"{channel}XYZ".encode(): b"XYZ \0\0\0\0" + s15(*column)
        for channel, column in zip("rgb", columns, strict=True)
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv\0\0\0\0" + struct.pack(">IHxx", 1, 563))
    tags |= {b"wtpt": b"XYZ \0\0\0\0" + s15(0.9642, 1.0, 0.8249), b"cprt": b"text\0\0\0\0none\0\0\0\0"}
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 3) + b"P3\0" + bytes(79)
    offset, directory, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        directory += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + s15(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + directory + body


if __name__ == "__main__":
    raise SystemExit(main())
