"""The learning rate and the weights of losses along a run whose length is given in steps or in minutes."""

from __future__ import annotations

import math
from collections.abc import Sequence

FORMS = ("cosine", "steps", "exponential")
"""Of the way from the peak of the learning rate down."""


def progress(step: int, steps: int, elapsed_s: float, budget_s: float | None) -> float:
    """Share of the run that is done, 0..1: by steps, or by time where there is a budget."""
    done = step / steps if budget_s is None else elapsed_s / budget_s
    return min(1.0, done)


def begun_at(share: float, done: float) -> float:
    """Share of the whole schedule for a run that begins at `share` of it and has done `done` of itself."""
    return 1.0 if done >= 1 else share + (1 - share) * done


def learning_rate(
    peak: float,
    *,
    final_ratio: float,
    share_done: float,
    step: int,
    warmup_steps: int,
    form: str = "cosine",
    milestones: Sequence[float] = (),
    milestone_factor: float = 0.5,
) -> float:
    """Linear warm-up in steps times one of three ways down.

    Args:
        peak: The highest rate.
        final_ratio: Where `cosine` (Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983) and
            `exponential` end, relative to the peak.
        share_done: Share of the run, 0..1.
        step: Optimiser step, from 0, for the warm-up.
        warmup_steps: Its length.
        form: One of `FORMS`.
        milestones: Of `steps`: shares of the run from which on the rate is multiplied once more by
        milestone_factor: this.
    """
    warm = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    match form:
        case "steps":
            share = milestone_factor ** sum(share_done >= milestone for milestone in milestones)
        case "exponential":
            share = final_ratio**share_done
        case _:
            share = final_ratio + (1 - final_ratio) * 0.5 * (1 + math.cos(math.pi * share_done))
    return peak * share * warm


def ramp(first: float, last: float, start: float, end: float, share_done: float) -> float:
    """From `first` up to the share `start` of the run evenly to `last` at `end`; without length, `last`."""
    if end <= start:
        return last
    return first + (last - first) * min(1.0, max(0.0, (share_done - start) / (end - start)))
