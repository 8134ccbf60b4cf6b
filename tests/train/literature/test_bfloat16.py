"""What training in bfloat16 must not change; on processors that have no fast bfloat16 torch emulates it."""

from __future__ import annotations

import csv
import math

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from facesr_train import hardware
from facesr_train.discriminators import DISCRIMINATORS
from facesr_train.discriminators.paper import PaperDiscriminatorConfig
from facesr_train.session import TrainSettings, run_training


@pytest.fixture
def bfloat16(monkeypatch):
    monkeypatch.setattr(hardware, "has_fast_bfloat16", lambda device_type: True)
    assert hardware.training_precision("cpu") == "bf16-mixed"


class Watched(nn.Module):
    """Remembers what it was given and what its convolution made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        made: Tensor = self.convolution(image)
        self.seen += [image, made]
        return made


def test_pictures_keep_their_levels(bfloat16):
    """Fabric's own plugin moves 254 of the 256 levels, by up to half a level."""
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[hardware.precision_plugin("cpu")])
    network = Watched()
    wrapped = fabric.setup(network, move_to_device=False)
    levels = torch.arange(256.0).reshape(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    output = wrapped(levels)
    given, made = network.seen
    assert torch.equal(given, levels) and output.dtype == torch.float32
    assert made.dtype == torch.bfloat16


def test_float32_is_plain(monkeypatch):
    monkeypatch.setattr(hardware, "has_fast_bfloat16", lambda device_type: False)
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[hardware.precision_plugin("cpu")])
    network = Watched()
    fabric.setup(network, move_to_device=False)(torch.rand(1, 3, 8, 8))
    assert [tensor.dtype for tensor in network.seen] == [torch.float32] * 2


@pytest.mark.parametrize("name", ["srgan", "msg-capsgan"])
def test_calibrated_losses_and_the_game_train_in_it(
    name, tiny, frames, tmp_path, stand_ins, bfloat16, capsys
):
    """Fabric refuses gradients that are not asked for by its own `backward`."""
    run_training(tiny(name), TrainSettings(data=frames, out=tmp_path, device="cpu"))
    assert "bf16-mixed" in capsys.readouterr().err
    with (tmp_path / "metrics.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    losses = [float(value) for key, value in row.items() if key.startswith("loss/")]
    assert len(losses) >= 3 and all(math.isfinite(value) for value in losses)


def test_the_papers_discriminator_has_gradients_where_one_pixel_is_left():
    """Of pictures of 32 px; memory that was not written to shows on some calls only."""
    network = DISCRIMINATORS["paper"][1](PaperDiscriminatorConfig()).to(memory_format=torch.channels_last)
    for _ in range(20):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            verdicts = network(torch.rand(2, 3, 32, 32))
        verdicts.float().sum().backward()
        assert all(float(weight.grad.abs().max()) < 1e3 for weight in network.parameters())
