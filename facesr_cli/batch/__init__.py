"""Many photographs: discover, plan, decode, upscale, encode, journal, report."""

from __future__ import annotations

from facesr_cli.batch.report import FileResult, Report
from facesr_cli.batch.run import run_batch
from facesr_cli.batch.settings import Settings

__all__ = ["FileResult", "Report", "Settings", "run_batch"]
