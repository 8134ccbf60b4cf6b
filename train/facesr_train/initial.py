"""Weights to start a run from: a checkpoint's, an exported network's, or those of the extra `prior`."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from facesr_cli.errors import ModelError
from facesr_train.checkpoint import Checkpoint, averaged_generator, build_generator, load_checkpoint
from facesr_train.external.esrgan_prior import WEIGHTS, load_prior
from facesr_train.generators.folding import Unfoldable, folded
from facesr_train.generators.generator import Generator
from facesr_train.generators.half_resolution import COARSE, HalfResolutionNet, block_count, width_of
from facesr_train.generators.rrdb import RRDBNet, from_esrgan
from facesr_train.generators.two_scale import TwoScaleNet
from facesr_train.recipe import Recipe

PRIOR = Path("prior")
"""In the place of a file: Real-ESRGAN x4plus, for generators of the kind `rrdb`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialWeights:
    """A state dictionary for the generator of a recipe, and where it comes from."""

    weights: dict[str, Tensor]
    """float32, on the CPU."""
    origin: str
    """In words; goes into the checkpoint and from there into the model file."""
    discriminator: dict[str, Tensor] = field(default_factory=dict)
    """A state dictionary for the recipe's discriminator, where it is carried over; else empty."""


def read_initial(path: Path, recipe: Recipe) -> InitialWeights:
    """Read the averaged weights of a checkpoint, or the initialisers of an ONNX file made by `export`.

    A network that is folded at export goes on from its folded weights, too: what branches add to them
    begins at zero. And its checkpoint starts the plain network that it folds to. A half-resolution network
    may have more channels, more blocks or a second scale beside the file's: it begins with the file's
    results, and the origin says what was added. Fewer are refused.

    With `adversarial.carry` a checkpoint's discriminator is read, too, where the recipe's is the same.

    Raises:
        ModelError: The file is missing or broken, or it is another network than the recipe's.
        MissingExtraError: `path` is `PRIOR` and the extra `prior` is not installed.
    """
    if path == PRIOR:
        return _prior(recipe)
    discriminator: dict[str, Tensor] = {}
    found: Mapping[str, Tensor]
    checkpoint: Checkpoint | None = None
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
        discriminator = _discriminator(checkpoint, recipe)
        origin = f"{checkpoint.recipe.name} {checkpoint.recipe.digest} after {checkpoint.step} steps"
        origin += f" (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"
        if checkpoint.initial:
            origin += f", itself from {checkpoint.initial}"
    network = build_generator(recipe)
    expected = network.state_dict()
    found, added = _grown(network, found)
    if checkpoint is not None and not expected.keys() <= found.keys():
        found, added = _grown(network, folded(averaged_generator(checkpoint)).state_dict())
    if isinstance(network, TwoScaleNet) and not any(name.startswith(COARSE) for name in found):
        added += ", a second scale added"
    if isinstance(network, Unfoldable) and not expected.keys() <= found.keys():
        with contextlib.suppress(ValueError):  # a file of neither form is refused below
            found = network.unfolded(found)
    if isinstance(network, HalfResolutionNet) and block_count(found) > block_count(expected):
        raise ModelError(
            f"{path}: has {block_count(found)} blocks and recipe {recipe.name} {block_count(expected)}; set "
            "generator.blocks to at least as many"
        )
    wrong = [
        name for name, tensor in expected.items() if name not in found or found[name].shape != tensor.shape
    ]
    if isinstance(network, HalfResolutionNet):
        wrong += [name for name in found if name.startswith(("body.", COARSE)) and name not in expected]
    if wrong:
        raise ModelError(
            f"{path}: is another network than that of recipe {recipe.name}: {len(wrong)} of {len(expected)} "
            f"tensors are missing, of another shape or too many, {wrong[0]} first. Name a recipe of its "
            "kind and size."
        )
    origin += added
    weights = {
        name: found[name].float() if tensor.is_floating_point() else found[name]
        for name, tensor in expected.items()
    }
    return InitialWeights(weights=weights, origin=origin, discriminator=discriminator)


def _grown(network: Generator, found: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], str]:
    """Weights with all channels and blocks of `network`, where they are of its kind, and what was added."""
    if not isinstance(network, HalfResolutionNet):
        return found, ""
    wider = network.widened(found)
    deeper = network.deepened(wider)
    channels, blocks = width_of(wider) - width_of(found), block_count(deeper) - block_count(wider)
    added = f", {channels} channels added" if channels else ""
    return deeper, added + (f", {blocks} blocks added" if blocks else "")


def _discriminator(checkpoint: Checkpoint, recipe: Recipe) -> dict[str, Tensor]:
    """The checkpoint's discriminator, if the recipe carries it over and it is of its kind and size."""
    same = (checkpoint.recipe.discriminator_kind, checkpoint.recipe.discriminator) == (
        recipe.discriminator_kind,
        recipe.discriminator,
    )
    if recipe.adversarial is None or not recipe.adversarial.carry or not same:
        return {}
    weights: dict[str, Tensor] = checkpoint.adversary["network"]
    return weights


def _prior(recipe: Recipe) -> InitialWeights:
    """Real-ESRGAN x4plus in the form of the recipe's generator; its first convolution is made anew."""
    network = build_generator(recipe)
    if not isinstance(network, RRDBNet) or network.config.skip != "none":
        raise ModelError(
            f"--init {PRIOR}: these weights are for a generator of the kind rrdb without skip, not for that "
            f"of recipe {recipe.name}; name a checkpoint or a recipe such as transfergan"
        )
    try:
        weights = from_esrgan(load_prior(), network)
    except ValueError as error:
        raise ModelError(
            f"--init {PRIOR}: the generator of recipe {recipe.name} has another size ({error}); "
            "it needs channels = 64, growth = 32 and blocks = 23"
        ) from error
    return InitialWeights(
        weights=weights, origin=f"Real-ESRGAN x4plus ({WEIGHTS.distribution} {WEIGHTS.version})"
    )
