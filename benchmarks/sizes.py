"""How much is measured: enough for figures worth keeping, or just so much that all is tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.shapes import Shape, large_files, small_files, thumbnails


@dataclass(frozen=True, slots=True)
class Sizes:
    """``shapes`` are (shape, rounds) by lake; the rest is for what the service costs."""

    shapes: Mapping[str, tuple[tuple[Shape, int], ...]]
    instruments: int
    runs: int
    ledger_runs: int
    large_run: int
    idle_rest: float
    idle_seconds: float
    starts: int
    detections: int
    scan_interval: float


#: Azurite takes some 150 files a second: it gets smaller runs of the same shapes.
FULL = Sizes(
    shapes={
        "discard": (
            (small_files(300), 3),
            (large_files(12, 64), 3),
            (thumbnails(100_000), 2),
        ),
        "line": ((small_files(300), 2), (large_files(8, 64), 2)),
        "azurite": (
            (small_files(15), 1),
            (large_files(1, 64), 1),
            (thumbnails(1_000), 1),
        ),
    },
    instruments=50,
    runs=2_000,
    ledger_runs=10_000,
    large_run=149_800,
    idle_rest=15.0,
    idle_seconds=60.0,
    starts=5,
    detections=5,
    scan_interval=5.0,
)

QUICK = Sizes(
    shapes={
        "discard": (
            (small_files(3), 1),
            (large_files(1, 2), 1),
            (thumbnails(400), 2),
        ),
        "line": ((large_files(1, 2), 1),),
        "azurite": ((small_files(1), 1),),
    },
    instruments=4,
    runs=12,
    ledger_runs=200,
    large_run=1_000,
    idle_rest=1.0,
    idle_seconds=2.0,
    starts=1,
    detections=1,
    scan_interval=1.0,
)
