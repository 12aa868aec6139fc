"""Memory that runs out for one process: a cgroup of version 1 below this process's own."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOT = Path("/sys/fs/cgroup/memory")


def _own() -> Path:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return _ROOT / path.lstrip("/")
    pytest.skip("no memory controller of version 1 here")


@contextmanager
def limited(megabytes: int) -> Iterator[Path]:
    """A group whose processes have so much memory together; who writes a pid there puts it in."""
    if os.geteuid() != 0:
        pytest.skip("a memory limit needs root")
    group = _own() / f"syncd-test-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(megabytes << 20))
    except OSError as error:
        pytest.skip(f"no group with a limit can be made here: {error.strerror}")
    try:
        yield group / "cgroup.procs"
    finally:
        until = time.monotonic() + 20
        while (group / "cgroup.procs").read_text() and time.monotonic() < until:
            time.sleep(0.05)
        with contextlib.suppress(OSError):
            group.rmdir()


def kills(group: Path) -> int:
    """How often the kernel killed somebody of the group."""
    told = dict(
        line.split() for line in (group.parent / "memory.oom_control").read_text().splitlines()
    )
    return int(told.get("oom_kill", 0))
