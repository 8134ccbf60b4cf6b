"""What `facesr-cli` reaches on a GPU: forward rates, loss of fp16, JPEG to JPEG, memory, and their limits.

    python -m benchmarks.gpu -o RESULT.json

Needs this repository and onnxruntime-gpu (TensorRT is measured where it is installed); takes minutes. What is
done is told on stderr and in RESULT.log. RESULT.json is written anew after every row, so that a run that is
cut off keeps what it has; a row that failed says why under `missing`. `forward` has its buffers on the GPU;
`array` goes from arrays to arrays in host memory as `upscale` does, so the difference is what crosses the
bus; `end_to_end` is `facesr-cli upscale` in a process of its own. For a try on a CPU: --provider cpu --size
64 --images 4. Exit codes: 0 measured; 1 a row failed; 2 wrong usage; 3 a provider does not start.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from benchmarks.command import busiest_stage, facesr_cli, run, run_seconds, stage_seconds
from benchmarks.gpu_forward import LEAST_S, forward_rows
from benchmarks.gpu_tuning import line, measure_tunings
from benchmarks.log import Log
from benchmarks.network import digests
from benchmarks.photographs import write_jpegs
from benchmarks.pipeline import measure_pipeline, pipeline_line
from benchmarks.quality import fp16_loss
from benchmarks.resultfile import check_output, document, write
from facesr_cli.bench.limit import Convolution, Limit, measure_limit
from facesr_cli.bench.memory import peak_memory
from facesr_cli.errors import CapabilityError, FacesrError, UpscaleFailedError, UsageError
from facesr_cli.model.catalogue import bundled_names
from facesr_cli.model.providers import PROVIDERS, available

BATCHES = (1, 2, 4, 8, 16, 32)
MOST_AUTO_BATCH = 8
"""What `--batch-size auto` begins with on a GPU."""
PRECISIONS = ("fp32", "fp16")

_SMALL = {"convolutions": (Convolution(8, 32),), "copy_values": 1 << 12, "repeats": 1}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write the result file and its log, and return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        check_output(arguments.output)
        if min(arguments.size, arguments.images, arguments.repeats, *arguments.batches) < 1:
            raise UsageError("--size, --images, --repeats and --batches must be at least 1")
        with contextlib.ExitStack() as stack:
            streams: list[TextIO] = [sys.stderr]
            if arguments.output is not None:
                path = arguments.output.with_suffix(".log")
                streams.append(stack.enter_context(path.open("w", encoding="utf-8")))
            known = digests(arguments.models or bundled_names())
            settings = {
                key: str(value)
                for key, value in vars(arguments).items()
                if key not in ("output", "small_limit")
            }

            def save(figures: dict[str, Any]) -> None:
                if arguments.output is not None:
                    content = document("benchmarks.gpu", settings | {"digests": known}, figures)
                    write(arguments.output, content)

            measuring = _Measuring(arguments, Log(streams), save)
            measuring.all()
    except FacesrError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    return UpscaleFailedError.exit_code if measuring.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--provider",
        action="append",
        choices=tuple(PROVIDERS),
        dest="providers",
        help="default: cuda, tensorrt",
    )
    parser.add_argument("--device", type=int, default=0, metavar="N", help="which GPU, from 0")
    parser.add_argument(
        "--model", action="append", dest="models", metavar="NAME|FILE", help="default: the bundled ones"
    )
    parser.add_argument("--size", type=int, default=512, metavar="PX", help="side of the photographs")
    parser.add_argument("--images", type=int, default=2000, metavar="N", help="photographs end to end")
    parser.add_argument("--batches", type=_numbers, default=BATCHES, metavar="N,N")
    parser.add_argument("--repeats", type=int, default=10, help="least timed runs of each rate")
    parser.add_argument("--small-limit", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, metavar="RESULT.json")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


class _Measuring:
    """The tables of the result, which grow row by row.

    Args:
        arguments: Of the command line.
        log: Takes lines for people.
        save: Is given the tables after every row.
    """

    def __init__(
        self, arguments: argparse.Namespace, log: Log, save: Callable[[dict[str, Any]], None]
    ) -> None:
        self._arguments, self._log, self._save = arguments, log, save
        tables = ("limits", "forward", "tuning", "quality", "end_to_end", "pipeline")
        self._figures: dict[str, Any] = {"missing": {}} | {table: [] for table in tables}
        self.failed = False
        """Whether a row could not be measured for another reason than memory or a missing provider."""

    def all(self) -> None:
        """Measure every provider.

        Raises:
            CapabilityError: A provider that is named, or CUDA, does not start.
        """
        arguments = self._arguments
        for provider in arguments.providers or ("cuda", "tensorrt"):
            if provider == "tensorrt" and not arguments.providers and provider not in available():
                self._figures["missing"][provider] = "this onnxruntime was not built with it"
                continue
            try:
                self._provider(provider)
            except CapabilityError as error:
                # Named ones must run; TensorRT by itself is a bonus, and CUDA is what the program is for.
                if arguments.providers or provider != "tensorrt":
                    raise
                self._log(f"{provider}: not measured: {error}")
                self._figures["missing"][provider] = str(error)
        self._save(self._figures)

    def _provider(self, provider: str) -> None:
        arguments, log = self._arguments, self._log
        models = arguments.models or bundled_names()
        precisions = [word for word in PRECISIONS if word in PROVIDERS[provider].precisions]
        limits: dict[str, Limit] = {}
        for precision in precisions:
            log(f"{provider} {precision}: limit")
            about = {"provider": provider, "precision": precision}
            with self._row("limits", about):
                limits[precision] = _limit(provider, precision, arguments)
                self._add("limits", dataclasses.asdict(limits[precision]))
        for model in models:
            for limit in limits.values():
                with self._row("forward", {"model": model, "precision": limit.precision}):
                    for row in forward_rows(model, limit, arguments, log):
                        self._add("forward", row)
            about = {"model": model, "provider": provider}
            with self._row("quality", about):
                row = fp16_loss(model, provider, arguments.device, arguments.size)
                log(f"{model} {provider}: fp16 loses {row.get('psnr_loss_db', row.get('missing'))}")
                self._add("quality", row)
            with self._row("end_to_end", about):
                self._add("end_to_end", _end_to_end(model, provider, arguments, log))
            with self._row("pipeline", about):
                row = measure_pipeline(
                    model, provider=provider, device=arguments.device, size_px=arguments.size
                )
                log(pipeline_line(row))
                self._add("pipeline", row)
        for precision in precisions:
            with self._row("tuning", {"model": models[0], "provider": provider, "precision": precision}):
                rows = measure_tunings(
                    models[0],  # of one network, since all have the same operators
                    provider=provider,
                    precision=precision,
                    device=arguments.device,
                    batch=min(MOST_AUTO_BATCH, max(arguments.batches)),
                    size_px=arguments.size,
                    least_s=LEAST_S * (arguments.repeats > 1),
                )
                log(line(rows))
                for row in rows:
                    self._add("tuning", row)

    def _add(self, table: str, row: dict[str, Any]) -> None:
        self._figures[table].append(row)
        self._save(self._figures)

    @contextlib.contextmanager
    def _row(self, table: str, about: dict[str, Any]) -> Iterator[None]:
        """Go on where the body fails, with a row that says why; but not without the provider."""
        try:
            yield
        except CapabilityError:
            self._save(self._figures)
            raise
        # Whatever onnxruntime or the system raises, the rows before it and after it count.
        except Exception as error:
            fault = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            self._log(f"{table} {' '.join(map(str, about.values()))}: failed: {fault}")
            self._add(table, about | {"missing": fault})
            self.failed = True


def _limit(provider: str, precision: str, arguments: argparse.Namespace) -> Limit:
    sizes: dict[str, Any] = _SMALL if arguments.small_limit else {}
    return measure_limit(provider=provider, precision=precision, device=arguments.device, **sizes)


def _end_to_end(model: str, provider: str, arguments: argparse.Namespace, log: Log) -> dict[str, Any]:
    """JPEG files to JPEG files by the command itself, once to warm its caches and once that counts."""
    gpu = None if provider in ("cpu", "openvino") else arguments.device
    with tempfile.TemporaryDirectory(prefix="facesr-gpu-") as folder:
        inputs, outputs = Path(folder) / "in", Path(folder) / "out"
        write_jpegs(inputs, arguments.images, arguments.size)
        options = [
            "--provider",
            provider,
            "--device",
            str(arguments.device),
            "--model",
            model,
            "-q",
            "--json",
        ]
        run(facesr_cli("upscale", inputs / "00000.jpg", "-o", Path(folder) / "first.jpg", *options))
        with peak_memory(gpu=gpu) as peak:
            done = run(facesr_cli("upscale", inputs, "-o", outputs, *options))
    report = done.report
    rate = arguments.images / run_seconds(report)
    log(
        f"{model} {provider}: {rate:.1f}/s JPEG to JPEG in {report['precision']}, busiest: "
        f"{busiest_stage(report)}, seconds of work: {stage_seconds(report)}"
    )
    return {
        "model": model,
        "provider": provider,
        "precision": report["precision"],
        "images": arguments.images,
        "end_to_end_per_s": rate,
        "whole_process_per_s": arguments.images / done.elapsed_s,
        "busiest": busiest_stage(report),
        "stages": stage_seconds(report),
        "busy": report["stages"].get("busy"),
        "peak_bytes": done.peak_bytes,
        "peak_device_bytes": peak.device_bytes,
    }


if __name__ == "__main__":
    raise SystemExit(main())
