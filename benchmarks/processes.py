"""What running processes cost, read from /proc."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICK


def own_cpu_seconds(pid: int) -> float:
    """User and system time of a process alone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:13]) / _TICK


def memory(pid: int, what: str = "VmRSS") -> int:
    """Resident memory in bytes; ``VmHWM`` is the most that it ever was. 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{what}:\s+(\d+)", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return found


class Peaks:
    """Most resident memory of a process, and of its children together, while it is watched."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.of_itself = 0
        self.of_children = 0

    def start(self) -> None:
        """Look twice a second from now on."""
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """A last look."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def _watch(self) -> None:
        while True:
            self.of_itself = max(self.of_itself, memory(self._pid, "VmHWM"))
            try:
                now = sum(memory(child) for child in children(self._pid))
            except OSError:
                now = 0
            self.of_children = max(self.of_children, now)
            if self._stop.wait(0.5):
                return
