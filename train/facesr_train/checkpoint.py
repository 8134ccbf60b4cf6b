"""Checkpoints on disk: what is in one, written whole or not at all, read without pickle."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from facesr_cli.errors import ModelError
from facesr_train.generators import GENERATORS
from facesr_train.generators.generator import Generator
from facesr_train.recipe import Recipe, recipe_from_dict

FORMAT = 1
LAST_NAME = "last.ckpt"
BEST_NAME = "best.ckpt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One state of a run. Batches are a pure function of seed and step, so no random state is needed."""

    recipe: Recipe
    step: int
    """Optimiser steps done."""
    elapsed_s: float
    """Training time behind it, over all sittings, without validation."""
    images_seen: int
    data: str
    """What it was trained on, in words."""
    val_psnr_db: dict[str, float]
    """Mean validation PSNR of the averaged weights, by degradation."""
    val_bicubic_psnr_db: dict[str, float]
    best_psnr_db: float
    """Highest mean over degradations so far; -inf before the first validation."""
    generator: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: dict[str, Any]
    adversary: dict[str, Any] = field(default_factory=dict)
    """Weights and optimiser of the discriminator; empty where there is none."""
    initial: str = ""
    """Whose weights the run started from, in words; empty: fresh ones."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """State of the factors that are found from gradients; empty where there are none."""
    conditions: dict[str, str] = field(default_factory=dict)
    """What the run depended on beside the recipe when this was written, see `conditions`."""


def save_checkpoint(fabric: Fabric, path: Path, checkpoint: Checkpoint) -> None:
    """Write to a temporary file beside `path`, then replace it."""
    state = {
        "facesr_checkpoint": FORMAT,
        "recipe": checkpoint.recipe.to_dict(),
        **{name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__ if name != "recipe"},
    }
    temporary = path.with_name(path.name + ".part")
    try:
        fabric.save(temporary, state)
        if fabric.is_global_zero:
            os.replace(temporary, path)
    finally:
        if fabric.is_global_zero:
            temporary.unlink(missing_ok=True)
    fabric.barrier()


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint to the CPU.

    Raises:
        ModelError: There is no such file, or it is not a checkpoint of this project's training.
    """
    if not path.is_file():
        raise ModelError(
            f"{path}: no such checkpoint; training writes {LAST_NAME} and {BEST_NAME} into its --out"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        # torch's own message advises to unpickle the file, which may run what is in it.
        raise ModelError(
            f"{path}: not a checkpoint of facesr-cli's training, or a damaged one; "
            f"training writes {LAST_NAME} and {BEST_NAME} into its --out"
        ) from error
    if not isinstance(state, dict) or "facesr_checkpoint" not in state:
        raise ModelError(f"{path}: not a checkpoint of facesr-cli's training")
    if state.pop("facesr_checkpoint") != FORMAT:
        raise ModelError(f"{path}: written by another version of facesr-cli; use that version or train again")
    try:
        return Checkpoint(**{**state, "recipe": recipe_from_dict(state["recipe"])})
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: the checkpoint is damaged ({error})") from error


def build_generator(recipe: Recipe) -> Generator:
    """The recipe's generator with fresh weights, the same at every call (drawn from the recipe's seed)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.run.seed)
        return GENERATORS[recipe.generator_kind][1](recipe.generator)


def averaged_generator(checkpoint: Checkpoint) -> Generator:
    """The checkpoint's generator with its averaged weights, in evaluation mode, on the CPU.

    Raises:
        ModelError: The weights do not fit the recipe's generator.
    """
    generator = build_generator(checkpoint.recipe)
    try:
        generator.load_state_dict(checkpoint.average)
    except RuntimeError as error:
        raise ModelError(f"the checkpoint's weights do not fit its recipe: {error}") from error
    return generator.eval()
