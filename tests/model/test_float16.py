"""What the bundled networks lose in the float16 graphs of CUDA and DirectML."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from facesr_cli.bench.metrics import psnr_db
from facesr_cli.model.catalogue import bundled_names, resolve_model
from facesr_cli.model.graph import INPUT, OUTPUT, attach_integer_io
from facesr_cli.model.info import read_model
from facesr_cli.model.onnxfile import read_interface
from facesr_cli.model.precision import to_float16

EXAMPLE = Path(__file__).parents[2] / "examples" / "astronaut-512.png"
MOST_DB = 0.02


@pytest.mark.parametrize("name", bundled_names())
def test_float16_costs_next_to_nothing(name):
    """On the CPU, which rounds the same weights and results to the same type, though not inside a sum."""
    with Image.open(EXAMPLE) as opened:
        original = np.array(opened.convert("RGB"))[64:320, 96:352]
    low = original.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    model = read_model(resolve_model(name))
    psnr = []
    for proto in (model.file.proto, to_float16(model.file.proto)):
        graph = attach_integer_io(proto, read_interface(proto, model.file.path), "uint8")
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        (larger,) = session.run([OUTPUT], {INPUT: low[np.newaxis]})
        psnr.append(psnr_db(larger[0], original))
    assert psnr[1] == pytest.approx(psnr[0], abs=MOST_DB)
    assert psnr[1] != psnr[0], "another graph"
