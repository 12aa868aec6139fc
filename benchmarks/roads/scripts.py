"""What the old cron scripts did: sync the folder, then hash each file, then list and compare."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from pathlib import Path

from benchmarks.lakes import Lake
from benchmarks.roads import azcopy
from benchmarks.roads.carried import Carried, run_program
from benchmarks.shapes import Run
from demo.stage import AZCOPY


def carry(run: Run, lake: Lake, work: Path) -> Carried:
    """``azcopy sync``, one MD5 after the other, ``azcopy list``: each when the last is done."""
    # sync, other than copy, puts what is in the folder into the address.
    target = azcopy.url(lake, run.folder.name)
    environment = azcopy.environment(work)
    argv = [str(AZCOPY), "sync", str(run.folder), target, *azcopy.flags(lake)]
    sync = run_program(argv, environment, work / "sync.log")
    begun, cpu_before = time.monotonic(), time.process_time()
    ours = _hash_all(run.folder)
    hashed = time.monotonic()
    argv = [str(AZCOPY), "list", target, "--properties", "ContentMD5", "--machine-readable"]
    argv += ["--location", "Blob", "--output-type", "json"]
    argv += azcopy.flags(lake)[-2:]
    ran = run_program(argv, environment, work / "list.log")
    theirs = _listed(work / "list.log")
    if ours != theirs:
        raise RuntimeError(f"the lake holds {len(theirs)} files as they are, not {len(ours)}")
    ended = time.monotonic()
    return Carried(
        sync.seconds + ended - begun,
        parts={"sync": sync.seconds, "hash": hashed - begun, "list": ended - hashed},
        cpu=sync.cpu + ran.cpu + time.process_time() - cpu_before,
        peaks={"azcopy": max(sync.peak, ran.peak)},
    )


def _hash_all(folder: Path) -> dict[str, str]:
    sums: dict[str, str] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "md5").digest()
            sums[str(path.relative_to(folder))] = base64.b64encode(digest).decode()
    return sums


def _listed(output: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with output.open() as lines:
        for line in lines:
            told = json.loads(line)
            if told["MessageType"] == "ListObject":
                blob = json.loads(told["MessageContent"])
                found[blob["Path"]] = blob["ContentMD5"]
    return found
