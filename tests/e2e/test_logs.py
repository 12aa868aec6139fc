"""A log that can't be written stops no transfer: a run is published, and its state is told."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.lab import Lab
from tests.e2e.mounts import tmpfs
from tests.e2e.runs import expect_published, miseq, write
from tests.servers import REPO

_F_SETPIPE_SZ = 1031


@pytest.mark.root
def test_b2_j5_a_run_is_published_while_the_disk_of_the_log_is_full(
    lab: Lab, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    lab.configure(log=['format = "json"', f'file = "{folder / "syncd.log"}"'])
    early, late = miseq(1), miseq(2)
    with tmpfs(folder, "64k"):
        filler = folder / "filler"
        with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:  # noqa: PT012
            while True:
                file.write(b"x" * 512)
        write(lab, early)
        with lab.daemon() as daemon:
            lab.wait_published(early.name)
            (line,) = daemon.lines("log.file-failed")
            assert (line["level"], "No space" in line["error"]) == ("WARNING", True)
            lab.wait_for(
                lambda: "the copy of the log" in lab.call("status", expect=None).stdout,
                told="status shows it",
            )
            filler.unlink()
            write(lab, late)
            lab.wait_published(late.name)
            assert len(daemon.lines("log.file-failed")) == 1
    expect_published(lab, early)
    expect_published(lab, late)


def test_a_run_is_published_while_nobody_reads_stdout(lab: Lab) -> None:
    """journald that stands still, or a `docker logs` driver that blocks."""
    run = miseq(1)
    write(lab, run)
    # Python buffers stdout for a service; whoever flushes a full one waits.
    environment = {name: told for name, told in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        lab.command("run"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=REPO,
        env=environment,
    )
    try:
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, _F_SETPIPE_SZ, 4096)
        lab.wait_published(run.name)
        began = time.monotonic()
        process.terminate()
        assert process.wait(30) == 0
        assert time.monotonic() - began < 20
        got = process.stdout.read()
    finally:
        process.kill()
        process.communicate()
    assert len(got) <= 4096, "it was really full"
    expect_published(lab, run)
