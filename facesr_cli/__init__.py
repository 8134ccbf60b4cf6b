"""facesr-cli: doubles the resolution of photographs of people. `Upscaler` is the Python API.

>>> from facesr_cli import Upscaler
>>> larger = Upscaler().upscale(image)  # PIL image or (H, W, 3) uint8 / uint16 RGB array
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Upscaler", "__version__"]

if TYPE_CHECKING:
    from facesr_cli.model.upscaler import Upscaler as Upscaler


def __getattr__(name: str) -> Any:
    """Import `Upscaler` on first use, so that `import facesr_cli` stays quick and free of onnxruntime."""
    if name == "Upscaler":
        from facesr_cli.model.upscaler import Upscaler

        return Upscaler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
