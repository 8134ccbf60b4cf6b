"""The programs that `benchmarks.peers` runs, where they are installed."""

from __future__ import annotations

import dataclasses
import math
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from benchmarks.peers import __main__ as peers
from benchmarks.peers.fsrcnn import FSRCNN
from benchmarks.peers.fsrcnn_layers import FSRCNN_LAYERS, layers_onnx
from benchmarks.peers.program import Options
from benchmarks.peers.span import SPAN
from benchmarks.peers.x4plus import X4PLUS, _four_times
from facesr_cli.bench.baselines import enlarge
from facesr_cli.bench.degradations import bicubic
from facesr_cli.bench.metrics import psnr_db
from facesr_cli.errors import MissingExtraError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "astronaut-512.png"
OPTIONS = Options(threads=1)


def test_fsrcnn_without_its_file_says_which_one():
    with pytest.raises(MissingExtraError, match=r"--fsrcnn FILE\.pb"):
        FSRCNN.open(OPTIONS)


def test_tiles_of_the_fourfold_network_fill_the_picture(random_photo):
    low = random_photo(211, 403)

    def network(tile):
        assert max(tile.shape[:2]) <= 220
        return tile.repeat(4, axis=0).repeat(4, axis=1).astype(np.float32)

    assert np.array_equal(_four_times(network, low), low.repeat(4, axis=0).repeat(4, axis=1))


def opened_or_skip(program, options=OPTIONS):
    for name in program.distributions:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed; benchmarks/README.md says how")
    return program.open(options)


@pytest.mark.parametrize(
    "program",
    [p for p in peers.PEERS if p not in (FSRCNN, FSRCNN_LAYERS, X4PLUS)],
    ids=lambda p: p.name,
)
def test_a_real_peer_keeps_place_colour_and_brightness(program):
    opened = opened_or_skip(program)
    truth = np.array(Image.open(EXAMPLE).convert("RGB"))[64:194, 160:306]
    high = opened.enlarge(bicubic(truth))
    assert high.shape == truth.shape and high.dtype == np.uint8
    assert np.abs(high.mean((0, 1)) - truth.mean((0, 1))).max() < 4
    gain_db = psnr_db(high, truth) - psnr_db(enlarge(bicubic(truth), "bicubic", scale=2), truth)
    # The adversarially trained one loses decibels; a wrong channel order or a shift loses more than six.
    assert gain_db > (1 if program is SPAN else -6)


def test_the_real_fourfold_peer():
    opened = opened_or_skip(X4PLUS)
    truth = np.array(Image.open(EXAMPLE).convert("RGB"))[96:160, 192:256]
    assert psnr_db(opened.enlarge(bicubic(truth)), truth) > 20


def test_the_stand_in_for_fsrcnn_has_its_layers_and_is_bicubic():
    model = onnx.load_from_string(layers_onnx())
    weights = sum(math.prod(w.dims) for w in model.graph.initializer if w.name[0] in "wl")
    assert weights == 12_464, "1,400 + 672 + 4 x 1,296 + 672 + 4,536, the paper's table 1 without biases"
    luma = np.array(Image.open(EXAMPLE).convert("L"))[100:160, 200:250, None].repeat(3, 2)
    session = onnxruntime.InferenceSession(layers_onnx(), providers=["CPUExecutionProvider"])
    (high,) = session.run(None, {"luma": luma[None, None, :, :, 0].astype(np.float32)})
    assert high.shape == (1, 1, 120, 100)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(luma[None, None, :, :, 0]).float(), scale_factor=2, mode="bicubic"
    ).numpy()
    assert np.abs(high - expected)[..., 4:-4, 4:-4].max() < 0.01


def test_the_stand_in_for_fsrcnn_enlarges_by_opencv():
    pytest.importorskip("cv2", reason="OpenCV is not installed; benchmarks/README.md says how")
    truth = np.array(Image.open(EXAMPLE).convert("RGB"))[64:194, 160:306]
    low = bicubic(truth)
    high = FSRCNN_LAYERS.open(OPTIONS).enlarge(low)
    assert high.shape == truth.shape and high.dtype == np.uint8
    assert psnr_db(high[8:-8, 8:-8], enlarge(low, "bicubic", scale=2)[8:-8, 8:-8]) > 35


def test_opencv_gets_and_gives_rgb(tmp_path):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed; benchmarks/README.md says how")
    if not hasattr(cv2, "dnn_superres"):
        pytest.skip("this OpenCV has no dnn_superres")
    path = tmp_path / "nearest.pb"
    path.write_bytes(nearest_graph(6, 10))
    opened = FSRCNN.open(dataclasses.replace(OPTIONS, fsrcnn=path))
    low = np.broadcast_to(np.array([200, 90, 30], np.uint8), (6, 10, 3))
    high = opened.enlarge(low)
    assert high.shape == (12, 20, 3)
    assert np.abs(high.astype(int) - [200, 90, 30]).max() <= 2


def nearest_graph(height, width):
    """A TensorFlow GraphDef, in protocol-buffer bytes, that doubles one channel by repeating pixels."""

    def varint(value):
        groups = []
        while value > 0x7F:
            groups.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*groups, value])

    def text(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data

    def integer(number, value):
        return varint(number << 3) + varint(value)

    def integers(*values):
        return text(1, b"".join(integer(3, value) for value in values))

    def dimensions(*sizes):
        return b"".join(text(2, integer(1, size)) for size in sizes)

    def node(name, operation, *inputs, **attributes):
        body = text(1, name.encode()) + text(2, operation.encode())
        body += b"".join(text(3, source.encode()) for source in inputs)
        return text(
            1, body + b"".join(text(5, text(1, k.encode()) + text(2, v)) for k, v in attributes.items())
        )

    float32, nhwc = integer(6, 1), text(2, b"NHWC")
    ones = integer(1, 1) + text(2, dimensions(1, 1, 1, 4)) + text(4, np.ones(4, np.float32).tobytes())
    return b"".join(
        (
            node("low", "Placeholder", dtype=float32, shape=text(7, dimensions(1, height, width, 1))),
            node("ones", "Const", dtype=float32, value=text(8, ones)),
            node(
                "four",
                "Conv2D",
                "low",
                "ones",
                T=float32,
                strides=integers(1, 1, 1, 1),
                padding=text(2, b"SAME"),
                data_format=nhwc,
            ),
            node("high", "DepthToSpace", "four", T=float32, block_size=integer(3, 2), data_format=nhwc),
        )
    )
