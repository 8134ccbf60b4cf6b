"""Every generator of the literature goes from a checkpoint through export into the upscaler."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from lightning_fabric import Fabric

from facesr_cli.errors import TilingWarning
from facesr_cli.model.upscaler import Upscaler
from facesr_export import exporter, parity
from facesr_export.exporter import export_checkpoint
from facesr_train.checkpoint import Checkpoint, averaged_generator, build_generator, save_checkpoint
from facesr_train.recipe import load_recipe, recipe_from_dict

GENERATORS: dict[str, dict[str, Any]] = {
    "paper": {"kind": "paper", "widths": [8, 8], "tail_widths": [8]},
    "paper-sigmoid": {"kind": "paper", "widths": [8], "scale_param": "sigmoid", "blend": "convex"},
    "srresnet": {"kind": "srresnet", "channels": 8, "blocks": 1},
    "srresnet-plain": {"kind": "srresnet", "channels": 8, "blocks": 1, "outer_kernel_px": 3}
    | {"batch_norm": False, "activation": "leaky-relu", "skip": "bilinear"},
    "rrdb": {"kind": "rrdb", "channels": 8, "growth": 4, "blocks": 1},
    "rrdb-attention": {"kind": "rrdb", "channels": 8, "growth": 4, "blocks": 1}
    | {"attention": "se-rrdb+eca-rdb", "gate": "sigmoid"},
    "eegan": {"kind": "eegan", "channels": 4, "blocks": 1, "edge_blocks": 1},
    "msg": {"kind": "msg", "channels": 4},
    "srcnn": {"kind": "srcnn", "widths": [8, 4]},
}


def checkpoint_of(generator: dict[str, Any], most: float = 0.02) -> Checkpoint:
    """Weights up to `most` off the places where initialisation left them, statistics of normalisation too."""
    recipe = recipe_from_dict(load_recipe("face-x2").to_dict() | {"generator": generator})
    weights = build_generator(recipe).state_dict()
    random = torch.Generator().manual_seed(1)
    for value in weights.values():
        if value.is_floating_point():
            value.add_(most * torch.rand(value.shape, generator=random))
    return Checkpoint(
        recipe=recipe,
        step=10,
        elapsed_s=61.0,
        images_seen=80,
        data="ten photographs",
        val_psnr_db={"paper": 33.0},
        val_bicubic_psnr_db={"paper": 30.0},
        best_psnr_db=34.3,
        generator=weights,
        average=weights,
        optimiser={},
    )


RECIPES = (
    *("ca-esrgan", "edge", "eegan", "fdpl", "ip-fsrgan", "msg-capsgan"),
    *("paper", "ragan-face", "srresnet", "transfergan"),
)
"""One of each network: `paper-l1`, `ranksrgan` and `srgan` have those of `paper`, `edge` and `srresnet`."""


@pytest.mark.parametrize("name", RECIPES)
def test_the_small_network_of_every_recipe_is_the_same_as_onnx(name, tmp_path, monkeypatch):
    """Acceptance test (a): parity at two sizes."""
    path = tmp_path / "best.ckpt"
    checkpoint = checkpoint_of(load_recipe(name, "small").to_dict()["generator"], most=0.001)
    save_checkpoint(Fabric(accelerator="cpu", devices=1), path, checkpoint)
    monkeypatch.setattr(parity, "CASES", ((1, 64, 96), (2, 33, 1)))
    assert export_checkpoint(path, tmp_path / "network.onnx").info.parity <= 1e-4


@pytest.mark.parametrize(
    ("one", "other"), [("paper", "paper-l1"), ("edge", "ranksrgan"), ("srresnet", "srgan")]
)
def test_these_recipes_share_a_network(one, other):
    assert load_recipe(one, "small").generator == load_recipe(other, "small").generator


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_from_the_checkpoint_to_the_enlarged_picture(name, tmp_path, monkeypatch, random_photo):
    checkpoint = checkpoint_of(GENERATORS[name])
    path = tmp_path / "best.ckpt"
    save_checkpoint(Fabric(accelerator="cpu", devices=1), path, checkpoint)
    # Smaller than those that a user's export compares, for the sake of time.
    monkeypatch.setattr(parity, "CASES", ((1, 64, 96), (2, 33, 1)))
    report = export_checkpoint(path, tmp_path / "network.onnx")
    assert report.info.parity <= 1e-4
    assert [output.name for output in onnx.load(report.output).graph.output] == ["upscaled"]

    generator = averaged_generator(checkpoint)
    assert (report.info.halo, report.info.multiple) == (generator.halo, generator.multiple)
    with Upscaler(report.output, provider="cpu", threads=1) as upscaler:
        # Sides below 16 px are not judged by their brightness, which random weights change.
        photo = random_photo(12, 2 * upscaler._rule.smallest_tile + 40)
        whole = upscaler.upscale(photo)
        smallest = upscaler._rule.smallest_tile
    image = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = (255 * generator(image)[0].clamp(0, 1)).permute(1, 2, 0).numpy()
    assert np.abs(whole - expected).max() <= 0.6

    with Upscaler(report.output, provider="cpu", threads=1, tile_px=smallest) as tiled:
        if generator.halo is None:
            with pytest.warns(TilingWarning, match="looks at the whole picture"):
                tiled.upscale_batch([photo])
            assert tiled.approximated == (0,)
        else:
            assert np.abs(tiled.upscale(photo).astype(int) - whole).max() <= 1
            assert tiled.approximated == ()


def test_the_bounded_number_of_the_paper_is_a_constant_in_the_file(tmp_path):
    generator = averaged_generator(checkpoint_of(GENERATORS["paper-sigmoid"]))
    model = exporter.to_onnx(exporter.folded(generator), scale=2)
    (value,) = [item for item in model.graph.initializer if item.name == "strength.value"]
    expected = generator.strength().detach().numpy()
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(value), expected)
    assert not {"Sigmoid", "Clip"} & {node.op_type for node in model.graph.node}
