"""OpenCV's FSRCNN x2: the enlarger in the `dnn_superres` module, whose model file the user brings.

Dong et al. 2016, "Accelerating the Super-Resolution Convolutional Neural Network" (arXiv 1608.00367).
OpenCV runs it on the luma and enlarges the chroma by bicubic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.program import Opened, Options, Program, digest
from facesr_cli.errors import MissingExtraError, ModelError, UpscaleFailedError

_SOURCE = "FSRCNN_x2.pb of github.com/Saafke/FSRCNN_Tensorflow"


def _open(options: Options) -> Opened:
    if options.fsrcnn is None:
        raise MissingExtraError(f"no model file: --fsrcnn FILE.pb, which is {_SOURCE}")
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("not installed: pip install opencv-contrib-python-headless") from error
    if not hasattr(cv2, "dnn_superres"):
        raise MissingExtraError(
            f"OpenCV {cv2.__version__} has no dnn_superres: "
            "pip install opencv-contrib-python-headless in place of any other OpenCV"
        )
    cv2.setNumThreads(options.threads)
    network = cv2.dnn_superres.DnnSuperResImpl_create()
    try:
        network.readModel(str(options.fsrcnn))
        network.setModel("fsrcnn", 2)
    except cv2.error as error:
        raise ModelError(f"OpenCV does not read {options.fsrcnn}: give {_SOURCE}.") from error

    def enlarge(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        try:
            high = network.upsample(np.ascontiguousarray(low[:, :, ::-1]))  # OpenCV's order is BGR
        except cv2.error as error:
            raise UpscaleFailedError("inference-failed", f"OpenCV failed: {error}") from error
        return np.ascontiguousarray(high[:, :, ::-1], dtype=np.uint8)

    return Opened(enlarge=enlarge, digest=digest(options.fsrcnn))


FSRCNN = Program(
    name="opencv-fsrcnn-x2",
    about="FSRCNN x2 on the luma, by OpenCV's dnn_superres",
    licence="OpenCV Apache-2.0; of the model file not stated",
    open=_open,
    distributions=("opencv-contrib-python-headless", "opencv-contrib-python"),
)
