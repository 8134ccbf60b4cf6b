"""FSRCNN's layers in OpenCV, for their seconds where its model file is not at hand.

Dong et al. 2016 (arXiv 1608.00367), FSRCNN(56, 12, 4) on the luma, chroma enlarged by bicubic, as OpenCV's
`dnn_superres` does. A network takes the same time whatever its weights; ours pass the luma through to a last
layer that is bicubic, so PSNR and SSIM of this row are about those of `bicubic` and say nothing of FSRCNN.
PReLU is one operator here and several in the file for `dnn_superres`, which may make that one slower.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.program import Opened, Options, Program
from facesr_cli.errors import MissingExtraError, ModelError, UpscaleFailedError

LAYERS = ((1, 56, 5), (56, 12, 1), *((12, 12, 3),) * 4, (12, 56, 1))
"""(input channels, output channels, kernel side) of the convolutions, each followed by PReLU."""
LAST_PX = 9
"""Side of the transposed convolution of stride 2 that follows."""
SLOPE = 0.1
"""Of the PReLUs below 0, as they begin in training."""
A = -0.75
"""Of the cubic kernel, as in OpenCV's resize."""


def layers_onnx() -> bytes:
    """FSRCNN(56, 12, 4) x2 for one luma picture (1, 1, h, w) of any size as a serialised ONNX model.

    Raises:
        MissingExtraError: Package `onnx` is not installed.
    """
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError("not installed: pip install onnx") from error
    nodes, here = [], "luma"
    weights: dict[str, NDArray[np.float32]] = {}
    for index, (inputs, outputs, side) in enumerate(LAYERS):
        kernel = np.zeros((outputs, inputs, side, side), np.float32)
        kernel[0, 0, side // 2, side // 2] = 1
        weights |= {
            f"w{index}": kernel,
            f"b{index}": np.zeros(outputs, np.float32),
            f"s{index}": np.full((outputs, 1, 1), SLOPE, np.float32),
        }
        conv = [here, f"w{index}", f"b{index}"]
        nodes += [
            helper.make_node("Conv", conv, [f"conv{index}"], kernel_shape=[side] * 2, pads=[side // 2] * 4),
            helper.make_node("PRelu", [f"conv{index}", f"s{index}"], [here := f"prelu{index}"]),
        ]
    last = np.zeros((LAYERS[-1][1], 1, LAST_PX, LAST_PX), np.float32)
    # Tap k of a low-resolution pixel lies (k - 4.5) / 2 of its widths from its centre.
    taps = _cubic((np.arange(LAST_PX) - LAST_PX / 2) / 2)
    last[0, 0] = np.outer(taps, taps)
    weights["last"] = last
    nodes.append(
        helper.make_node(
            "ConvTranspose",
            [here, "last"],
            ["enlarged"],
            kernel_shape=[LAST_PX] * 2,
            strides=[2, 2],
            pads=[LAST_PX // 2] * 4,
            output_padding=[1, 1],
        )
    )
    graph = helper.make_graph(
        nodes,
        "fsrcnn-layers",
        [helper.make_tensor_value_info("luma", TensorProto.FLOAT, [1, 1, "h", "w"])],
        [helper.make_tensor_value_info("enlarged", TensorProto.FLOAT, [1, 1, "H", "W"])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel (1981, https://doi.org/10.1109/TASSP.1981.1163711)."""
    x = np.abs(distance)
    near = (A + 2) * x**3 - (A + 3) * x**2 + 1
    far = A * x**3 - 5 * A * x**2 + 8 * A * x - 4 * A
    return np.select([x <= 1, x < 2], [near, far], 0.0)


def _open(options: Options) -> Opened:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("not installed: pip install opencv-contrib-python-headless") from error
    cv2.setNumThreads(options.threads)
    try:
        network = cv2.dnn.readNetFromONNX(np.frombuffer(layers_onnx(), np.uint8))
    except cv2.error as error:
        raise ModelError(f"OpenCV {cv2.__version__} does not read the layers: {error}") from error

    def enlarge(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size = low.shape[1] * 2, low.shape[0] * 2
        try:
            luma, *chroma = cv2.split(cv2.cvtColor(low, cv2.COLOR_RGB2YCrCb))
            network.setInput(cv2.dnn.blobFromImage(luma, 1 / 255))
            high = network.forward()[0, 0] * 255
            planes = [high.round().clip(0, 255).astype(np.uint8)]
            planes += [cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC) for plane in chroma]
            return np.asarray(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB), np.uint8)
        except cv2.error as error:
            raise UpscaleFailedError("inference-failed", f"OpenCV failed: {error}") from error

    return Opened(enlarge=enlarge)


FSRCNN_LAYERS = Program(
    name="opencv-fsrcnn-x2-layers",
    about="FSRCNN's layers with weights that make it bicubic, by OpenCV's dnn: for the seconds alone",
    licence="OpenCV Apache-2.0",
    open=_open,
    distributions=(
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
        "opencv-python-headless",
        "opencv-python",
        "onnx",
    ),
)
