"""From a recipe, a folder and a machine to a finished run: devices, photographs, progress on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from facesr_cli.errors import CapabilityError, UsageError
from facesr_train.augmentation import Augmentation
from facesr_train.checkpoint import Checkpoint
from facesr_train.crops import PairSource
from facesr_train.degradations import CONTEXT_PX
from facesr_train.hardware import precision_plugin, training_precision
from facesr_train.initial import read_initial
from facesr_train.loop import train
from facesr_train.photographs import Split, find_photographs, load_photographs
from facesr_train.random_split import list_test_photographs, split_at_random
from facesr_train.recipe import Recipe
from facesr_train.run_state import EpochReport, Run
from facesr_train.validation import make_pairs

SPILL_SUFFIX = ".uint8"
"""Of the files that hold photographs which do not fit in memory; removed at the end of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """The flags of `facesr-cli train`."""

    data: Path
    """Folder of face photographs; with `train` and `val` inside, or of any layout."""
    out: Path
    """Folder of the run."""
    resume: bool = False
    init: Path | None = None
    """Checkpoint or exported ONNX file whose weights a new run starts from, or `initial.PRIOR`."""
    max_minutes: float | None = None
    """Training time over all sittings of the run; the schedule stretches to it."""
    device: str = "auto"
    """`auto`, `cpu` or `cuda`."""
    devices: int = 1
    """Processes that train together, one per GPU."""
    compiled: bool = False
    """Compile the generator with torch.compile, whatever the recipe."""


def run_training(recipe: Recipe, settings: TrainSettings) -> Checkpoint | None:
    """Train `recipe` and return the last state; progress goes to stderr.

    Where several processes train together, all but the first return None.

    Raises:
        CapabilityError: The device that was asked for is not there, or the network cannot be compiled.
        TrainingError: No photographs, or non-finite training.
        ModelError: `init` is missing, broken, or another network than the recipe's.
        UsageError: The folder belongs to another run, or `init` and `resume` are both given.
    """
    if settings.init is not None and settings.resume:
        raise UsageError(
            "--init is for a new run and --resume continues one with its own weights: leave one of them out"
        )
    initial = None if settings.init is None else read_initial(settings.init, recipe)
    accelerator = _accelerator(settings.device)
    precision = training_precision(accelerator)
    if accelerator == "cuda" and settings.devices > torch.cuda.device_count():
        raise CapabilityError(
            f"--devices {settings.devices}: this machine has {torch.cuda.device_count()} GPU(s)"
        )
    plugin = precision_plugin(accelerator)
    fabric = Fabric(accelerator=accelerator, devices=settings.devices, plugins=[plugin])
    fabric.launch()
    console = Console(stderr=True, highlight=False)

    def say(line: str) -> None:
        if fabric.is_global_zero:
            console.print(line, markup=False, soft_wrap=True)

    drawn = recipe.data.split
    split = find_photographs(settings.data) if drawn is None else split_at_random(settings.data, drawn)
    is_new = not settings.out.exists()
    try:
        settings.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {settings.out}: cannot be made a folder ({error.strerror})") from error
    if split.test and fabric.is_global_zero:
        list_test_photographs(split, settings.data, settings.out)
    data = recipe.data
    window_px = data.largest_crop_px + (0 if data.frames else 2 * CONTEXT_PX)
    with _removed_if_empty(settings.out) if is_new else contextlib.nullcontext():
        photographs = load_photographs(
            split.train,
            max_side_px=data.max_side_px,
            min_side_px=window_px,
            spill=settings.out / f"photographs-{fabric.global_rank}{SPILL_SUFFIX}",
            on_skip=say,
        )
        held_out = load_photographs(
            _spread(split.val, recipe.run.validation_photographs),
            max_side_px=data.max_side_px,
            min_side_px=32,
            spill=settings.out / f"held-out-{fabric.global_rank}{SPILL_SUFFIX}",
            on_skip=say,
        )
    torch.backends.cudnn.benchmark = fabric.device.type == "cuda"  # a run has few shapes, and many steps
    say(
        f"{recipe.name} {recipe.digest}: {len(photographs)} photographs to train on, "
        f"{len(held_out)} to validate on; {fabric.world_size} x {fabric.device.type}, {precision}"
    )
    with _Reporter(console, enabled=fabric.is_global_zero) as reporter:
        run = Run(
            folder=settings.out,
            source=PairSource(
                photographs,
                shares=data.degradations,
                sharp_share=data.sharp_share,
                augmentation=Augmentation(
                    varied_share=data.varied_share,
                    rescale_share=data.rescale_share,
                    colour_share=data.colour_share,
                    soft_share=data.soft_share,
                    flat_share=data.flat_share,
                ),
                seed=recipe.run.seed,
                rank=fabric.global_rank,
                device=fabric.device,
                resident=_fits(photographs, fabric.device),
                frames=data.frames,
            ),
            pairs=make_pairs(held_out, data.degradations, recipe.run.validation_crop_px),
            data=_describe(settings.data, split),
            resume=settings.resume,
            initial=initial,
            budget_s=None if settings.max_minutes is None else settings.max_minutes * 60,
            on_epoch=reporter.epoch,
            on_step=reporter.step,
            compiled=settings.compiled,
            say=say,
        )
        checkpoint = _compiling(fabric, recipe, run) if settings.compiled else train(fabric, recipe, run)
    for spill in settings.out.glob(f"*-{fabric.global_rank}{SPILL_SUFFIX}"):
        spill.unlink(missing_ok=True)  # as large as the photographs, and of no use to a resumed run
    return checkpoint if fabric.is_global_zero else None


class _Reporter:
    """A progress bar where stderr is a terminal, a line per epoch in any case."""

    def __init__(self, console: Console, *, enabled: bool) -> None:
        self._console, self._enabled = console, enabled
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]} left"),
            console=console,
            disable=not (enabled and sys.stderr.isatty()),
        )
        self._task = self._progress.add_task("training", total=1.0, left="?")

    def __enter__(self) -> _Reporter:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, share_done: float, remaining_s: float) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=share_done, left=_duration(remaining_s))

    def epoch(self, report: EpochReport) -> None:
        """Print one line."""
        if not self._enabled:
            return
        gains = "  ".join(
            f"{kind} {value:.2f} dB ({value - report.validation.bicubic_psnr_db[kind]:+.2f}) "
            f"energy {report.validation.energy[kind]:.2f}"
            for kind, value in report.validation.psnr_db.items()
        )
        self._console.print(
            f"{report.share_done:4.0%}  step {report.step}  loss {report.loss:.5f}  {gains}  "
            f"{report.steps_per_s:.2f} steps/s  {_duration(report.remaining_s)} left",
            markup=False,
            soft_wrap=True,
        )


def _accelerator(device: str) -> str:
    """Fabric's word for the device.

    Raises:
        CapabilityError: CUDA was asked for and is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise CapabilityError(
            "--device cuda: this torch sees no CUDA device; check nvidia-smi and that torch is a CUDA build "
            f"(installed: {torch.__version__}), or train with --device cpu"
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def _fits(photographs: Sequence[torch.Tensor], device: torch.device) -> bool:
    """Whether the photographs take less than half of the GPU's free memory; a CPU has them already."""
    if device.type != "cuda":
        return False
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return sum(photograph.nbytes for photograph in photographs) <= free_bytes // 2


def _compiling(fabric: Fabric, recipe: Recipe, run: Run) -> Checkpoint:
    """`train` with a compiled network.

    Raises:
        CapabilityError: torch cannot compile it, or there is no compiler on this machine.
    """
    from torch._dynamo.exc import TorchDynamoException

    try:
        return train(fabric, recipe, run)
    except TorchDynamoException as error:
        first = " ".join(str(error).strip().splitlines()[:2])
        raise CapabilityError(
            f"--compile: torch {torch.__version__} cannot compile this network here ({first}); "
            "train without --compile"
        ) from error


@contextlib.contextmanager
def _removed_if_empty(folder: Path) -> Iterator[None]:
    """Where the body raises, leave no empty folder behind."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
        raise


def _spread(paths: tuple[Path, ...], count: int) -> tuple[Path, ...]:
    """At most `count` paths, evenly spread over the sorted list."""
    if len(paths) <= count:
        return paths
    return tuple(paths[index * len(paths) // count] for index in range(count))


def _describe(folder: Path, split: Split) -> str:
    return f"{len(split.train)} photographs of faces in {folder.resolve().name!r}, {len(split.val)} held out"


def _duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
