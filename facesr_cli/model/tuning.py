"""`Tuning`: how a device is driven, apart from what it computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facesr_cli.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Choices that only a measurement on the device can settle; the defaults are those used until then."""

    io_binding: bool | None = None
    """Pixels are copied into buffers that stay on the device; None: on CUDA and TensorRT only."""
    nhwc: bool = False
    """CUDA: convolutions run channels-last (`prefer_nhwc`, onnxruntime 1.20)."""
    cuda_graphs: bool = False
    """CUDA: the kernels of one shape are recorded once and then started together. Needs `io_binding`."""
    sessions: int | None = None
    """Sessions for each device, so that one uploads and downloads while another computes; None: 2 on CUDA,
    else 1. While one of them records a CUDA graph, nothing else of the process may allocate or copy, so with
    `cuda_graphs` there is one."""
    spinning: bool = True
    """CPU: threads of onnxruntime wait for work in a loop, which costs decoding and encoding their cores."""

    def __post_init__(self) -> None:
        if self.sessions is not None and self.sessions < 1:
            raise UsageError(f"There must be at least 1 session for a device, not {self.sessions}.")
        if self.cuda_graphs and self.io_binding is False:
            raise UsageError("CUDA graphs replay fixed addresses, so they need io_binding.")
        if self.cuda_graphs and (self.sessions or 1) > 1:
            raise UsageError("CUDA graphs are recorded while nothing else runs, so there is one session.")

    def binds(self, provider_key: str) -> bool:
        """Whether buffers are bound on this provider."""
        if self.io_binding is not None:
            return self.io_binding
        return provider_key in ("cuda", "tensorrt")

    def sessions_on(self, provider_key: str) -> int:
        """Sessions for each device of this provider."""
        if self.sessions is not None:
            return self.sessions
        return 2 if provider_key == "cuda" and not self.cuda_graphs else 1


CANDIDATES: Mapping[str, Tuning] = {
    "default": Tuning(),
    "one session": Tuning(sessions=1),
    "two sessions": Tuning(sessions=2),
    "no binding": Tuning(io_binding=False),
    "nhwc": Tuning(nhwc=True),
    "cuda graphs": Tuning(cuda_graphs=True),
    "nhwc, cuda graphs": Tuning(nhwc=True, cuda_graphs=True),
    "no spinning": Tuning(spinning=False),
}
"""What `benchmarks.gpu` compares on a device, the default first."""
