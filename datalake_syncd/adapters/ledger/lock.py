"""One daemon per state directory: the lock, and who holds it."""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from datalake_syncd.core.errors import SyncdError, UsageError

LOCK = "daemon.lock"


class AlreadyRunning(SyncdError):
    """Another process holds this state directory."""


class DaemonLock:
    """The one-daemon-per-ledger lock: ``flock`` on a file of its own, kept while this lives."""

    def __init__(self, state_dir: Path) -> None:
        path = state_dir / LOCK
        try:
            state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise UsageError(
                f"{path} can't be written: {error.strerror}",
                why=f"this process runs as uid {os.getuid()}",
                next_step=f"run it as the service's user, or: chown -R USER {state_dir}",
            ) from error
        try:
            self._take()
        except BlockingIOError as error:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise AlreadyRunning(
                f"{state_dir} is in use by process {holder or '(unknown)'}",
                why="two daemons on one ledger would carry and prune the same runs",
                next_step=f"stop that one first: kill {holder or 'PID'}",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def _take(self) -> None:
        # `status` holds a shared lock for an instant to see whether a daemon runs.
        until = time.monotonic() + 1.0
        while True:
            try:
                return fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def release(self) -> None:
        """Let the next process have the state directory."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class DaemonState:
    """Whether a daemon holds the state directory; None when that can't be seen."""

    running: bool | None
    pid: int | None = None


def daemon_state(state_dir: Path) -> DaemonState:
    """Look whether the daemon's lock is held, for an instant, and without writing anything."""
    try:
        lock = os.open(state_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return DaemonState(running=False)
    except OSError:
        return DaemonState(running=None)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).strip()
        return DaemonState(running=True, pid=int(holder) if holder.isdigit() else None)
    finally:
        os.close(lock)
    return DaemonState(running=False)
