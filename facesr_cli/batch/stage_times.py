"""`Stages`: how much work each stage of a run had, and which one kept the others waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Seconds of work per stage, added over its threads, and how many threads shared it."""

    decode_s: float = 0.0
    infer_s: float = 0.0
    encode_s: float = 0.0
    elapsed_s: float = 0.0
    """From the first photograph's start to the last one's end; opening the network is not in it."""
    decoders: int = 1
    networks: int = 1
    """Sessions that ran side by side."""
    encoders: int = 1

    @property
    def shares(self) -> dict[str, float]:
        """Part of `elapsed_s`, 0 to 1, in which the threads of each stage were at work, on average.

        A stage near 1 is the limit: it reaches that part of the rate that it would reach alone on the same
        threads. On a CPU all stages share the cores, and waiting for a core counts as work here.
        """
        if self.elapsed_s <= 0:
            return {"decode": 0.0, "inference": 0.0, "encode": 0.0}
        return {
            "decode": min(1.0, self.decode_s / (self.decoders * self.elapsed_s)),
            "inference": min(1.0, self.infer_s / (self.networks * self.elapsed_s)),
            "encode": min(1.0, self.encode_s / (self.encoders * self.elapsed_s)),
        }

    @property
    def busiest(self) -> str | None:
        """`decode`, `inference` or `encode`; None where nothing was done."""
        shares = self.shares
        name = max(shares, key=lambda stage: shares[stage])
        return name if shares[name] > 0 else None

    def to_json(self) -> dict[str, Any]:
        """The entry `stages` of the report."""
        return {
            "decode_s": round(self.decode_s, 3),
            "infer_s": round(self.infer_s, 3),
            "encode_s": round(self.encode_s, 3),
            "elapsed_s": round(self.elapsed_s, 3),
            "threads": {"decode": self.decoders, "inference": self.networks, "encode": self.encoders},
            "busiest": self.busiest,
            "busy": {name: round(share, 3) for name, share in self.shares.items()},
        }

    def line(self) -> str | None:
        """Return "inference was busy 97 % of 12.1 s (decode 3 %, encode 5 %)"; None if nothing was done."""
        if self.busiest is None:
            return None
        others = ", ".join(
            f"{name} {share:.0%}" for name, share in self.shares.items() if name != self.busiest
        ).replace("%", " %")
        share = f"{self.shares[self.busiest] * 100:.0f} %"
        return f"{self.busiest} was busy {share} of {self.elapsed_s:.1f} s ({others})"
