"""On which machine, when, with which programs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from datalake_syncd import __version__
from demo.stage import AZCOPY, AZURITE


def facts() -> dict[str, str]:
    """What figures can't be compared without."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "datalake-syncd": __version__,
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "azcopy": _version([str(AZCOPY), "--version"]),
        "azurite": _version([str(AZURITE), "--version"]),
        "rclone": _version(["rclone", "version"]) if shutil.which("rclone") else "not there",
    }


def sentence() -> str:
    """The same for a person."""
    told = facts()
    return (
        f"{told['date']}, datalake-syncd {told['datalake-syncd']}, azcopy {told['azcopy']}, "
        f"Azurite {told['azurite']}, rclone {told['rclone']}, Python {told['python']}; "
        f"{told['cores']} cores ({told['cpu']}), {told['memory']} of memory, all of it on one "
        "machine: lake and carrier share the cores."
    )


def _cpu() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()


def _version(argv: list[str]) -> str:
    done = subprocess.run(
        argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    found = re.search(r"\d+\.\d+\.\d+", done.stdout)
    return found[0] if found else "unknown"
