"""A daemon with nothing to do: what it costs while it watches 50 instruments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import town
from benchmarks.figure import Figure
from benchmarks.lakes import fresh
from benchmarks.processes import memory, own_cpu_seconds
from benchmarks.ready import until_ready
from benchmarks.sizes import Sizes

_MIB = 1 << 20


def measure(root: Path, sizes: Sizes) -> Iterator[Figure]:
    """CPU over whole scan intervals, and memory after them."""
    with fresh("discard", root) as lake:
        work = root / "idle"
        work.mkdir()
        there = town.build(
            work, lake, instruments=sizes.instruments, runs=sizes.runs, on_disk=sizes.runs
        )
        daemon, _ = until_ready(there.config, work)
        try:
            time.sleep(sizes.idle_rest)
            before = own_cpu_seconds(daemon.pid)
            begun = time.monotonic()
            time.sleep(sizes.idle_seconds)
            share = (own_cpu_seconds(daemon.pid) - before) / (time.monotonic() - begun)
            resident = memory(daemon.pid)
        finally:
            daemon.end(60.0)
    what = f"{there.instruments} instruments, {there.runs:,} runs"
    over = f"over {sizes.idle_seconds:g} s"
    yield Figure("idle_cpu", f"idle CPU, {what}", share * 100, "% of a core", 0.5, over)
    yield Figure("idle_memory", f"idle memory, {what}", resident / _MIB, "MiB")
