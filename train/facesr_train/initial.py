"""Weights to start a run from: those of another run's checkpoint, or of an exported network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from facesr_cli.errors import ModelError
from facesr_train.checkpoint import build_generator, load_checkpoint
from facesr_train.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialWeights:
    """A state dictionary for the generator of a recipe, and where it comes from."""

    weights: dict[str, Tensor]
    """float32, on the CPU."""
    origin: str
    """In words; goes into the checkpoint and from there into the model file."""


def read_initial(path: Path, recipe: Recipe) -> InitialWeights:
    """Read the averaged weights of a checkpoint, or the initialisers of an ONNX file made by `export`.

    Raises:
        ModelError: The file is missing or broken, or it is another network than the recipe's.
    """
    if path.suffix == ".onnx":
        from onnx import numpy_helper  # training alone needs no onnx

        from facesr_cli.model.info import read_model

        model = read_model(path)
        found = {
            item.name: torch.from_numpy(numpy_helper.to_array(item).copy())
            for item in model.file.proto.graph.initializer
        }
        origin = f"{model.info.name} {model.info.version} ({model.info.digest[:19]})"
    else:
        checkpoint = load_checkpoint(path)
        found = checkpoint.average
        origin = f"{checkpoint.recipe.name} {checkpoint.recipe.digest} after {checkpoint.step} steps"
    expected = build_generator(recipe).state_dict()
    wrong = [
        name for name, tensor in expected.items() if name not in found or found[name].shape != tensor.shape
    ]
    if wrong:
        raise ModelError(
            f"{path}: is another network than that of recipe {recipe.name}: {len(wrong)} of {len(expected)} "
            f"tensors are missing or of another shape, {wrong[0]} first. Name a recipe of its kind and size."
        )
    return InitialWeights(weights={name: found[name].float() for name in expected}, origin=origin)
