"""A run of 150,000 files: one look at it, and the memory that carrying it takes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.lakes import fresh
from benchmarks.roads import service
from benchmarks.shapes import build, thumbnails
from benchmarks.sizes import Sizes
from datalake_syncd.adapters import tree
from datalake_syncd.core.names import Excluder

_MIB = 1 << 20


def measure(root: Path, sizes: Sizes) -> Iterator[Figure]:
    """A look in this process, a carrying by the service as a process of its own."""
    run = build(thumbnails(sizes.large_run), root / "large-run")
    begun, cpu = time.monotonic(), time.process_time()
    look = tree.Look()
    for entry in tree.look(run.folder, lake_prefix="out", excluder=Excluder(), block_special=True):
        look.add(entry)
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    what = f"{look.files:,} files"
    yield Figure("look", f"one look at a run of {what}", seconds, "s", note=f"{cpu:.1f} s of CPU")
    work = root / "large-work"
    work.mkdir()
    with fresh("discard", root) as lake:
        carried = service.carry(run, lake, work)
    shutil.rmtree(work)
    shutil.rmtree(run.source)
    daemon, azcopy = carried.peaks["daemon"] / _MIB, carried.peaks["azcopy"] / _MIB
    yield Figure("carry", f"carrying {what}, discarding server", carried.seconds, "s")
    yield Figure("carry_memory", f"the daemon's memory while carrying {what}", daemon, "MiB", 200)
    yield Figure("carry_azcopy", f"azcopy's memory while carrying {what}", azcopy, "MiB")
