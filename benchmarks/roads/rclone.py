"""rclone: copy, then check, which compares size and MD5 of every file."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.lakes import CONTAINER, Lake
from benchmarks.roads.carried import Carried, run_program
from benchmarks.shapes import Run

#: More at a time than its four: as many as azcopy uses on two cores.
_AT_A_TIME = ["--transfers", "16", "--checkers", "16"]


def missing() -> str | None:
    """Why it can't take part."""
    if shutil.which("rclone"):
        return None
    return "rclone is not installed (apt-get install rclone)"


def carry(run: Run, lake: Lake, work: Path) -> Carried:
    """``rclone copy``, then ``rclone check --one-way``."""
    target = f"lake:{CONTAINER}/{run.folder.name}"
    environment = {
        "RCLONE_CONFIG": str(work / "rclone.conf"),
        "RCLONE_CONFIG_LAKE_TYPE": "azureblob",
        # Debian's rclone builds addresses from account and key for Azure's own hosts alone.
        "RCLONE_CONFIG_LAKE_SAS_URL": lake.sas_url(),
        "HOME": str(work),
    }
    folder = str(run.folder)
    argv = ["rclone", "copy", folder, target, *_AT_A_TIME]
    copy = run_program(argv, environment, work / "copy.log")
    argv = ["rclone", "check", folder, target, "--one-way", *_AT_A_TIME]
    check = run_program(argv, environment, work / "check.log")
    return Carried(
        copy.seconds + check.seconds,
        parts={"copy": copy.seconds, "check": check.seconds},
        cpu=copy.cpu + check.cpu,
        peaks={"rclone": max(copy.peak, check.peak)},
    )
