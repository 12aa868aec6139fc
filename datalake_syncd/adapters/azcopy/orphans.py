"""azcopy processes that outlived their daemon: found by their private folder, ended by pid."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
from pathlib import Path


def orphans(private_root: Path) -> list[int]:
    """Pids of processes whose list of files lies below ``private_root``.

    Only for the start of a daemon that holds the lock of its state folder: while it works,
    its own calls look the same.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            pid = int(entry.name)
            if _is_ours(pid, private_root):
                found.append(pid)
    return sorted(found)


def end_orphans(private_root: Path, wait: float = 10.0) -> list[int]:
    """Kill them, wait up to ``wait`` seconds for each, and tell which they were."""
    ended = []
    for pid in orphans(private_root):
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue  # gone by itself
        try:
            # The handle is one process for ever; now that we hold it, is it still the same?
            if _is_ours(pid, private_root):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                ended.append(pid)
                gone = select.poll()
                gone.register(handle, select.POLLIN)
                gone.poll(wait * 1000)
        finally:
            os.close(handle)
    return ended


def _is_ours(pid: int, private_root: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    below = os.fsencode(private_root) + b"/"
    return any(
        word == b"--list-of-files" and following.startswith(below)
        for word, following in itertools.pairwise(words)
    )
