"""The log of each run in a file of its own, small and never in anybody's way.

Lines come as `logs` writes them, redacted and escaped. What can't be written is left out.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

#: The folder below the state directory; below it a folder for each run.
FOLDER = "run-logs"
#: A file that reached this size (bytes) becomes the older one of two.
ROTATE_BYTES = 256 * 1024
#: So many runs are kept, and none that nothing was written about for so long (seconds).
KEEP_RUNS = 500
KEEP_SECONDS = 90 * 24 * 3600.0
#: After a failed write nothing is tried for so long (seconds): its disk is full, say.
_PAUSE = 60.0
_NOW, _BEFORE = "log", "log.1"


class RunLogs(logging.Handler):
    """Writes each record that names a run into that run's file; never raises."""

    def __init__(self, root: Path, run_of: Callable[[logging.LogRecord], str | None]) -> None:
        super().__init__(logging.INFO)
        self._root = root
        self._run_of = run_of
        self._resting_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record's line."""
        run = self._run_of(record)
        if run is None or time.monotonic() < self._resting_until:
            return
        try:
            self._append(folder_of(self._root, run), f"{self.format(record)}\n")
        except OSError:
            # The log itself has the line, and tells when its own disk is full.
            self._resting_until = time.monotonic() + _PAUSE
        except Exception:  # noqa: BLE001 - a line that can't be formatted stops nobody's work
            self.handleError(record)

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do nothing: a log that can't be written stops no transfer."""

    def _append(self, folder: Path, line: str) -> None:
        path = folder / _NOW
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            os.write(descriptor, line.encode("utf-8", "backslashreplace"))
            full = os.fstat(descriptor).st_size >= ROTATE_BYTES
        finally:
            os.close(descriptor)
        if full:
            path.replace(folder / _BEFORE)


def folder_of(root: Path, run: str) -> Path:
    """The folder of a run (``INSTRUMENT/NAME``): a readable name, and a digest that is unique."""
    plain = re.sub(r"[^A-Za-z0-9._~-]+", "_", run.replace("/", "~")).strip(".")[:80]
    digest = hashlib.sha256(run.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return root / f"{plain}-{digest}"


def tail(root: Path, run: str, most: int) -> bytes:
    """The last whole lines of a run's log, at most ``most`` bytes; empty when there is none."""
    folder = folder_of(root, run)
    data = b""
    for name in (_NOW, _BEFORE):
        if len(data) < most:
            data = _end_of(folder / name, most - len(data)) + data
    if len(data) < most:
        return data
    return data.partition(b"\n")[2]


def _end_of(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            return file.read(most)
    except OSError:
        return b""


def outdated(root: Path, now: float) -> list[Path]:
    """Folders of runs that nothing was written about for long, or that are too many."""
    aged = []
    try:
        with os.scandir(root) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    aged.append((_written_at(Path(entry.path)), Path(entry.path)))
    except OSError:
        return []
    aged.sort(reverse=True)
    return [
        path
        for number, (at, path) in enumerate(aged)
        if number >= KEEP_RUNS or now - at > KEEP_SECONDS
    ]


def _written_at(folder: Path) -> float:
    times = []
    for name in (_NOW, _BEFORE):
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)
