"""One run: what it is given, its counters, and the moments at which it stops, validates and saves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from facesr_cli.errors import TrainingError
from facesr_train.adversary import Adversary
from facesr_train.checkpoint import BEST_NAME, LAST_NAME, Checkpoint, save_checkpoint
from facesr_train.conditions import conditions
from facesr_train.crops import PairSource
from facesr_train.initial import InitialWeights
from facesr_train.objective import Objective
from facesr_train.recipe import Recipe
from facesr_train.run_log import RunLog
from facesr_train.schedule import begun_at, progress
from facesr_train.validation import Pair, Validation, validate

CLOCK_STEPS = 20
"""Steps between two readings of the clock on a GPU; each waits until the GPU has done what was queued."""
REPORT_STEPS = 20
"""Steps between two looks at the loss, which wait for the device, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """What the caller may print after each epoch."""

    step: int
    share_done: float
    elapsed_s: float
    remaining_s: float
    loss: float
    """Mean training loss of the epoch."""
    steps_per_s: float
    validation: Validation


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that `train` needs beside the recipe."""

    folder: Path
    source: PairSource
    pairs: list[Pair]
    data: str
    """What the photographs are, in words; goes into the model file."""
    resume: bool
    budget_s: float | None
    """Training time over all sittings; None: the recipe's steps decide."""
    on_epoch: Callable[[EpochReport], None]
    initial: InitialWeights | None = None
    """Weights that a new run starts from; None: the recipe's fresh ones. A resumed run has its own."""
    on_step: Callable[[float, float], None] = lambda share_done, remaining_s: None
    compiled: bool = False
    """Compile the generator with torch.compile."""
    say: Callable[[str], None] = lambda line: None
    """Takes lines for the user."""


class RunState:
    """Counters of a run and the moments at which it stops, validates and saves."""

    def __init__(
        self,
        fabric: Fabric,
        recipe: Recipe,
        run: Run,
        network: nn.Module,
        average: nn.Module,
        optimiser: torch.optim.Optimizer,
        adversary: Adversary | None,
        objective: Objective,
        previous: Checkpoint | None,
    ) -> None:
        self._fabric, self._recipe, self._run = fabric, recipe, run
        self._network, self._average, self._optimiser = network, average, optimiser
        self._adversary, self._objective = adversary, objective
        self._initial = previous.initial if previous else run.initial.origin if run.initial else ""
        self._step = previous.step if previous else 0
        self._elapsed_s = previous.elapsed_s if previous else 0.0
        self._images_seen = previous.images_seen if previous else 0
        self._best_db = previous.best_psnr_db if previous else -math.inf
        self._val_db = dict(previous.val_psnr_db) if previous else {}
        self._val_bicubic_db = dict(previous.val_bicubic_psnr_db) if previous else {}
        self._session_s, self._session_steps = 0.0, 0
        self._clock_steps = _clock_steps(fabric.device)
        self._unclocked = 0
        self._since = time.perf_counter()
        self._loss_sum = torch.zeros((), device=fabric.device)
        self._term_sums: dict[str, Tensor] = {}
        self._loss_count = 0
        self._epoch_s = 0.0

    @property
    def share_done(self) -> float:
        """Share of the whole run, by steps or by time as the clock was read last."""
        section = self._recipe.run
        return begun_at(
            section.begin, progress(self._step, section.steps, self._elapsed_s, self._run.budget_s)
        )

    @property
    def remaining_s(self) -> float:
        """Training time left, from the rate of this sitting."""
        if self._run.budget_s is not None:
            return max(0.0, self._run.budget_s - self._elapsed_s)
        if not self._session_steps:
            return math.inf
        return (self._recipe.run.steps - self._step) * self._session_s / self._session_steps

    @property
    def epoch_ends(self) -> bool:
        """After an epoch's last step, and after the run's."""
        return self._step % self._recipe.run.epoch_steps == 0 or self.share_done >= 1

    def steps(self) -> Iterator[int]:
        """Step numbers, counted from 0 over all sittings, until the run is done."""
        while self.share_done < 1:
            yield self._step

    def count(self, loss: Tensor, terms: Mapping[str, Tensor], batch_size: int) -> None:
        """Account for one optimiser step: `loss` is what was minimised, `terms` go into the log."""
        self._step += 1
        self._unclocked += 1
        if self._unclocked >= self._clock_steps:
            self._read_clock()
        self._images_seen += batch_size * self._fabric.world_size
        self._loss_sum += loss
        for name, term in terms.items():
            self._term_sums[name] = self._term_sums.get(name, 0) + term.detach()
        self._loss_count += 1
        if self._step % REPORT_STEPS == 0:
            if not math.isfinite(float(self._loss_sum)):
                self._give_up()
            self._run.on_step(self.share_done, self.remaining_s)

    def end_epoch(self, log: RunLog | None, rate: float) -> None:
        """Validate the averaged weights, log, save, report; the clock of the run stands still meanwhile."""
        self._read_clock()
        loss = float(self._loss_sum) / self._loss_count
        if not math.isfinite(loss) or not _finite(self._network) or not _finite(self._average):
            self._give_up()
        validation = validate(self._average.eval(), self._run.pairs, self._fabric.device)
        self._val_db, self._val_bicubic_db = validation.psnr_db, validation.bicubic_psnr_db
        steps_per_s = self._loss_count / max(self._epoch_s, 1e-9)
        if log is not None:
            scalars = {
                "elapsed_s": round(self._elapsed_s, 1),
                "images_seen": self._images_seen,
                "learning_rate": rate,
                "loss": loss,
                **{f"loss/{name}": float(total) / self._loss_count for name, total in self._terms()},
                **{f"factor/{name}": factor for name, factor in self._objective.factors().items()},
                "steps_per_s": round(steps_per_s, 3),
            }
            log.epoch(self._step, scalars, validation)
        game = self._recipe.adversarial
        better = validation.mean_psnr_db > self._best_db and (game is None or game.keep_best)
        self._best_db = max(self._best_db, validation.mean_psnr_db)
        checkpoint = self.checkpoint()
        if better:  # first: a run that is killed in between does this epoch again and finds it better again
            save_checkpoint(self._fabric, self._run.folder / BEST_NAME, checkpoint)
        save_checkpoint(self._fabric, self._run.folder / LAST_NAME, checkpoint)
        self._run.on_epoch(
            EpochReport(
                step=self._step,
                share_done=self.share_done,
                elapsed_s=self._elapsed_s,
                remaining_s=self.remaining_s,
                loss=loss,
                steps_per_s=steps_per_s,
                validation=validation,
            )
        )
        self._loss_sum, self._loss_count, self._epoch_s = torch.zeros_like(self._loss_sum), 0, 0.0
        self._term_sums = {}
        self._since = time.perf_counter()

    def checkpoint(self) -> Checkpoint:
        """The state now."""
        return Checkpoint(
            recipe=self._recipe,
            step=self._step,
            elapsed_s=self._elapsed_s,
            images_seen=self._images_seen,
            data=self._run.data,
            val_psnr_db=self._val_db,
            val_bicubic_psnr_db=self._val_bicubic_db,
            best_psnr_db=self._best_db,
            generator=self._network.state_dict(),
            average=self._average.state_dict(),
            optimiser=self._optimiser.state_dict(),
            adversary={} if self._adversary is None else self._adversary.state(),
            initial=self._initial,
            calibration=self._objective.state(),
            conditions=conditions(self._fabric.device.type),
        )

    def _read_clock(self) -> None:
        """Count the time since the last reading, all that the device had to do included."""
        if not self._unclocked:
            return
        if self._fabric.device.type == "cuda":
            torch.cuda.current_stream(self._fabric.device).synchronize()
        now = time.perf_counter()
        # Every process must stop at the same step, so the first one's clock counts for all.
        spent_s = float(self._fabric.broadcast(now - self._since))
        self._since = now
        self._session_steps += self._unclocked
        self._unclocked = 0
        self._elapsed_s += spent_s
        self._session_s += spent_s
        self._epoch_s += spent_s

    def _terms(self) -> list[tuple[str, Tensor]]:
        """Sums of the loss terms, where there is more than one."""
        return list(self._term_sums.items()) if len(self._term_sums) > 1 else []

    def _give_up(self) -> None:
        last = self._run.folder / LAST_NAME
        state = f"the last good state is {last}" if last.exists() else "no epoch was finished before"
        raise TrainingError(
            f"the loss or the weights became non-finite before step {self._step}; {state}. "
            "Lower optimiser.learning_rate or gradient_clip and train again"
        )


def _clock_steps(device: torch.device) -> int:
    """Steps between two readings of the clock; a CPU has done a step when it returns."""
    return CLOCK_STEPS if device.type == "cuda" else 1


def _finite(network: nn.Module) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values())
