"""Where a folder lies: a mount inside a run is another place, whatever is mounted there."""

from __future__ import annotations

import os
from pathlib import Path


def place(descriptor: int) -> tuple[int, bytes]:
    """``st_dev`` and the number of the mount of an open folder.

    A folder of the same file system that is bound to another place has the same ``st_dev``; only
    the mount tells it apart.
    """
    try:
        told = Path(f"/proc/self/fdinfo/{descriptor}").read_bytes()
    except OSError:
        told = b""  # without /proc the device alone must do
    mount = [line for line in told.splitlines() if line.startswith(b"mnt_id:")]
    return os.fstat(descriptor).st_dev, mount[0] if mount else b""
