"""The service, as a real process: from the flag that an instrument writes to the marker."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.configuration import configure
from benchmarks.lakes import Lake
from benchmarks.processes import Peaks, cpu_seconds
from benchmarks.roads.carried import Carried
from benchmarks.shapes import Run
from datalake_syncd.adapters.ledger import Ledger
from demo.processes import Child, start
from demo.stage import REPO

QUIET = 0.1
_LONGEST = 900.0
#: The parts of the way, each from the event before it.
_PARTS = {
    "run.settled": "settle",
    "transfer.finished": "transfer",
    "verify.proven": "verify",
    "run.published": "publish",
}


def carry(run: Run, lake: Lake, work: Path) -> Carried:
    """The daemon runs and knows the run; its flag is written; until the marker is in the lake."""
    flag = run.folder / run.flag
    content = flag.read_bytes()
    flag.unlink()
    try:
        return _carry(run, lake, work, flag, content)
    finally:
        flag.write_bytes(content)


def _carry(run: Run, lake: Lake, work: Path, flag: Path, content: bytes) -> Carried:
    config = configure(
        work, lake, {"bench": (run.kind, run.source)}, quiet=f"{QUIET}s", scan_interval="1s"
    )
    log = work / "daemon.log"
    daemon = start_daemon(config, log)
    peaks = Peaks(daemon.pid)
    try:
        _wait(daemon, log, "run.sighted")
        time.sleep(1.5)  # until a second scan has found nothing to do
        peaks.start()
        before = cpu_seconds(daemon.pid)
        flag_at = time.time()
        begun = time.monotonic()
        flag.write_bytes(content)
        _wait(daemon, log, "run.published")
        seconds = time.monotonic() - begun
        peaks.stop()
        cpu = cpu_seconds(daemon.pid) - before
    finally:
        peaks.stop()
        daemon.end(60.0)
    with lake.client() as client:
        if not client.get_blob_client(f"out/{run.folder.name}.sync").exists():
            raise RuntimeError("the log speaks of a marker that is not in the lake")
    return Carried(
        seconds,
        parts=_parts(work / "state", flag_at),
        waited=QUIET,
        cpu=cpu,
        peaks={"daemon": peaks.of_itself, "azcopy": peaks.of_children},
    )


def start_daemon(config: Path, log: Path) -> Child:
    """Start the service as any machine would, with its log in a file."""
    argv = [sys.executable, "-m", "datalake_syncd", "--config", str(config), "run"]
    return start(argv, log, dies_with_us=signal.SIGTERM, cwd=REPO)


def lines(log: Path) -> list[dict[str, Any]]:
    """What it said."""
    text = log.read_text(errors="replace")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _wait(daemon: Child, log: Path, event: str) -> None:
    until = time.monotonic() + _LONGEST
    wanted = f'"{event}"'.encode()
    at = 0
    while time.monotonic() < until:
        with log.open("rb") as said:
            said.seek(max(0, at - len(wanted)))
            new = said.read()
        if wanted in new:
            return
        at = log.stat().st_size
        if daemon.poll() is not None:
            break
        time.sleep(0.01)
    tail = log.read_text(errors="replace")[-3000:]
    raise RuntimeError(f"{event} never came:\n{tail}")


def _parts(state: Path, begun: float) -> dict[str, float]:
    """How long each part took, by the ledger's own times."""
    ledger = Ledger(state, writable=False)
    try:
        [run] = ledger.runs.all()
        history = ledger.runs.history(run.id, limit=1000)
    finally:
        ledger.close()
    parts: dict[str, float] = {}
    last = begun
    for event in sorted(history, key=lambda one: one.at):
        name = _PARTS.get(event.event)
        if name is not None:
            parts[name] = parts.get(name, 0.0) + event.at - last
            last = event.at
    return parts
