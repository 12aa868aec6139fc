"""azcopy alone, and what every road that uses it needs."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lakes import CONTAINER, Lake
from benchmarks.roads.carried import Carried, run_program
from benchmarks.shapes import Run
from demo.emulator import ACCOUNT, KEY
from demo.stage import AZCOPY


def carry(run: Run, lake: Lake, work: Path) -> Carried:
    """``azcopy copy FOLDER CONTAINER --recursive --put-md5``, nothing else."""
    argv = [str(AZCOPY), "copy", str(run.folder), url(lake), *flags(lake)]
    ran = run_program(argv, environment(work), work / "azcopy.log")
    return Carried(ran.seconds, cpu=ran.cpu, peaks={"azcopy": ran.peak})


def url(lake: Lake, path: str = "") -> str:
    """An address in the container."""
    return f"{lake.account_url}/{CONTAINER}/{path}"


def flags(lake: Lake) -> list[str]:
    """What azcopy must be told to talk to a server on this machine."""
    trusted = ["--trusted-microsoft-suffixes", lake.host]
    return ["--recursive", "--put-md5", "--from-to", "LocalBlob", *trusted]


def environment(work: Path) -> dict[str, str]:
    """The login, and folders of its own for log and plan."""
    return {
        "AZCOPY_CRED_TYPE": "SharedKey",
        "ACCOUNT_NAME": ACCOUNT,
        "ACCOUNT_KEY": KEY,
        "AZCOPY_LOG_LOCATION": str(work / "azcopy-log"),
        "AZCOPY_JOB_PLAN_LOCATION": str(work / "azcopy-plan"),
        "AZCOPY_DISABLE_SYSLOG": "true",
        "HOME": str(work),
    }
