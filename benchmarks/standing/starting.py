"""Starting: the daemon on a ledger of years, and the command ``status``."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import town
from benchmarks.figure import Figure
from benchmarks.lakes import fresh
from benchmarks.ready import command, until_ready
from benchmarks.sizes import Sizes


def measure(root: Path, sizes: Sizes) -> Iterator[Figure]:
    """Medians of a few starts."""
    with fresh("discard", root) as lake:
        work = root / "starting"
        work.mkdir()
        there = town.build(
            work,
            lake,
            instruments=sizes.instruments,
            runs=sizes.ledger_runs,
            on_disk=sizes.instruments,
        )
        ready: list[float] = []
        for _ in range(sizes.starts):
            daemon, seconds = until_ready(there.config, work)
            ready.append(seconds)
            daemon.end(60.0)
        large = _status(there.config, sizes.starts)
        work = root / "young"
        work.mkdir()
        young = town.build(work, lake, instruments=4, runs=40, on_disk=40)
        small = _status(young.config, sizes.starts)
    runs = f"{there.runs:,} runs"
    yield Figure("start", f"start until ready, {runs} in the ledger", _median(ready), "s")
    yield Figure("status", "`status`, 40 runs in the ledger", _median(small), "s", 0.3)
    yield Figure("status_large", f"`status`, {runs} in the ledger", _median(large), "s")


def _status(config: Path, times: int) -> list[float]:
    taken: list[float] = []
    for _ in range(times):
        begun = time.monotonic()
        done = subprocess.run(command(config, "status"), capture_output=True, check=False)
        taken.append(time.monotonic() - begun)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"status ended with {done.returncode}: {done.stderr.decode()}")
    return taken


def _median(values: list[float]) -> float:
    return statistics.median(values)
