"""The learning rate along a run whose length is given in steps or in minutes."""

from __future__ import annotations

import math


def progress(step: int, steps: int, elapsed_s: float, budget_s: float | None) -> float:
    """Share of the run that is done, 0..1: by steps, or by time where there is a budget."""
    done = step / steps if budget_s is None else elapsed_s / budget_s
    return min(1.0, done)


def learning_rate(
    peak: float, *, final_ratio: float, share_done: float, step: int, warmup_steps: int
) -> float:
    """Linear warm-up in steps times a cosine from `peak` to `peak * final_ratio` over the run.

    Cosine annealing: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983.
    """
    cosine = final_ratio + (1 - final_ratio) * 0.5 * (1 + math.cos(math.pi * share_done))
    warm = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return peak * cosine * warm
