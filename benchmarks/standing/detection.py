"""How soon a flag is seen: told by the kernel on a local disk, and polled as on a share."""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.configuration import configure
from benchmarks.figure import Figure
from benchmarks.lakes import fresh
from benchmarks.sizes import Sizes
from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.core.errors import UsageError
from demo.processes import Child, start
from demo.sequencer import NextSeqRun
from demo.stage import REPO

_FLAG = "RunCompletionStatus.xml"
_LONGEST = 120.0
#: A namespace in which inotify has no room: what is left is polling, as on a network share.
_DEAF = (
    "unshare", "--user", "--map-root-user", "sh", "-c",
    'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "deaf",
)  # fmt: skip


def measure(root: Path, sizes: Sizes) -> Iterator[Figure]:
    """From the flag's last byte to the ledger's word that the run is complete."""
    interval = f"scan_interval {sizes.scan_interval:g} s"
    local = _detect(root / "local", sizes, ())
    yield _figure("detect_local", "flag seen, local disk (inotify)", local, interval)
    if _can_be_deaf():
        polled = _detect(root / "polled", sizes, _DEAF)
        yield _figure("detect_polled", "flag seen, polled", polled, interval)


def _figure(key: str, told: str, seconds: list[float], interval: str) -> Figure:
    middle = statistics.median(seconds)
    return Figure(key, told, middle, "s", note=f"{interval}; at most {max(seconds):.2f} s")


def _can_be_deaf() -> bool:
    tried = subprocess.run([*_DEAF, "true"], capture_output=True, check=False)
    return tried.returncode == 0


def _detect(work: Path, sizes: Sizes, before: tuple[str, ...]) -> list[float]:
    source = work / "source"
    source.mkdir(parents=True)
    found: list[float] = []
    with fresh("discard", work) as lake:
        instruments = {"bench": ("nextseq500", source)}
        scan = f"{sizes.scan_interval:g}s"
        config = configure(work, lake, instruments, quiet="1h", scan_interval=scan)
        flags = [_write(source, number) for number in range(sizes.detections)]
        argv = [*before, sys.executable, "-m", "datalake_syncd", "--config", str(config), "run"]
        daemon = start(argv, work / "daemon.log", dies_with_us=signal.SIGTERM, cwd=REPO)
        try:
            _wait(daemon, work, lambda reason: reason != "", len(flags))
            # Where in the interval a flag comes is chance; the same chances at every measurement.
            chance = random.Random(1)
            for number, (flag, content) in enumerate(flags, start=1):
                time.sleep(1.0 + chance.random() * sizes.scan_interval)
                begun = time.monotonic()
                flag.write_bytes(content)
                _wait(daemon, work, lambda reason: reason.startswith("complete"), number)
                found.append(time.monotonic() - begun)
        finally:
            daemon.end(60.0)
    return found


def _write(source: Path, number: int) -> tuple[Path, bytes]:
    name = f"260104_NB500001_{number:04d}_AHAAAAAAXX"
    folder = NextSeqRun(name, cycles=(2,), lanes=1, thumbnails=0, seed=number).write_all(source)
    flag = folder / _FLAG
    content = flag.read_bytes()
    os.remove(flag)
    return flag, content


def _wait(daemon: Child, work: Path, holds: Callable[[str], bool], count: int) -> None:
    """Until so many runs have a reason that ``holds``."""
    until = time.monotonic() + _LONGEST
    while time.monotonic() < until and daemon.poll() is None:
        with suppress(UsageError):  # the ledger is not there yet
            ledger = Ledger(work / "state", writable=False)
            try:
                if sum(1 for run in ledger.runs.all() if holds(run.reason or "")) >= count:
                    return
            finally:
                ledger.close()
        time.sleep(0.02)
    raise RuntimeError((work / "daemon.log").read_text(errors="replace")[-3000:])
