"""A machine that is not as it should be: azcopy broken in every way, no room for the ledger.

The broken azcopys are small scripts; what carries the run in the end is the real one.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.e2e.lab import Daemon, Lab
from tests.e2e.mounts import fill, tmpfs
from tests.e2e.runs import expect_published, miseq, row_of, write
from tests.servers import AZCOPY

NO_AZCOPY = "azcopy was not found"


def script(place: Path, *lines: str) -> None:
    """Put another azcopy there, at once as a package manager would."""
    new = place.with_suffix(".new")
    new.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    new.chmod(0o755)
    new.rename(place)


def lie(files: int) -> str:
    """All is sent, says this azcopy, and it sent nothing."""
    counters = {
        "JobStatus": "Completed",
        "TotalTransfers": str(files),
        "TransfersCompleted": str(files),
        "TransfersFailed": "0",
        "TransfersSkipped": "0",
    }
    line = {"MessageType": "EndOfJob", "MessageContent": json.dumps(counters)}
    return f"echo {shlex.quote(json.dumps(line))}"


def test_f1_f2_f4_f5_f6_a_broken_azcopy_is_named_and_loses_nothing(
    lab: Lab, tmp_path: Path
) -> None:
    azcopy = tmp_path / "bin" / "azcopy"
    azcopy.parent.mkdir()
    lab.configure(azcopy=[f'path = "{azcopy}"'])
    run = miseq(1)
    write(lab, run)

    def stage(*words: str, status: str = "waiting") -> None:
        """Nothing is sent, and the ledger says why."""

        def told() -> bool:
            row = lab.run(run.name)
            if row is None or row.status != status or row.reason is None:
                return False
            return all(word in row.reason for word in words)

        lab.wait_for(told, told=str(words))
        row = row_of(lab, run)
        assert row.published_at is None
        assert row.done in ("settle", "transfer")
        assert not lab.blobs()
        if status == "blocked":
            assert row.next_step

    with lab.daemon() as daemon:
        stage(NO_AZCOPY, str(azcopy))
        assert "install azcopy" in (row_of(lab, run).next_step or "")
        (line,) = daemon.lines("azcopy.unusable")
        assert line["level"] == "ERROR"
        assert "install azcopy" in line["next_step"]

        azcopy.write_text("#!/bin/sh\n")
        lab.call("retry", run.name)
        stage("is not executable")

        script(azcopy, "exit 0")
        lab.call("retry", run.name)
        stage("ended with 0 before it finished", "it said nothing")

        script(azcopy, "kill -SEGV $$")
        lab.call("retry", run.name)
        stage("was killed by SIGSEGV")

        script(azcopy, "echo 'panic: no space left on device' >&2", "exit 2")
        lab.call("retry", run.name)
        stage("azcopy crashed", "plan folder is full")

        script(azcopy, "echo 'unknown flag: --put-blob-size-mb'", "exit 1")
        lab.call("retry", run.name)
        stage("does not understand how it was called", status="blocked")
        assert "tested version" in (row_of(lab, run).next_step or "")

        script(azcopy, lie(len(run.files())))
        lab.call("retry", run.name)
        stage("after 3 rounds", f"{len(run.files())} missing", status="blocked")
        assert lab.events(run.name).count("verify.mismatch") == 2

    # Another version is tried, and told; what it did is proven like everything else.
    version = 'if [ "$1" = --version ]; then echo azcopy version 9.9.9; exit; fi'
    script(azcopy, version, f'exec {AZCOPY} "$@"')
    lab.call("retry", run.name)
    log = lab.once()
    (line,) = [line for line in log if line["event"] == "azcopy.found"]
    assert (line["level"], "9.9.9" in line["message"]) == ("WARNING", True)
    assert "not tested" in line["message"]
    expect_published(lab, run)


@pytest.mark.root
def test_b1_a_full_disk_under_the_ledger_stops_nothing_for_good(lab: Lab) -> None:
    early, late = miseq(1), miseq(2)
    filler = lab.state / "filler"

    def full(daemon: Daemon) -> list[dict[str, object]]:
        return daemon.lines("ledger.full")

    lab.state.mkdir()
    with tmpfs(lab.state, "48m"):
        with lab.daemon() as daemon:
            write(lab, early)
            lab.wait_published(early.name)
            fill(filler)
            write(lab, late)
            lab.wait_for(lambda: full(daemon), told="ledger.full")
            (line,) = full(daemon)
            assert line["level"] == "ERROR"
            assert "space" in str(line["next_step"])
            assert daemon.process.poll() is None, "it must stay up"
            assert lab.run(late.name) is None or not row_of(lab, late).published_at
            expect_published(lab, early)
            # `once` beside it can't be; a person who asks gets an answer all the same.
            assert early.name in lab.call("status", expect=None).stdout

            filler.unlink()
            lab.wait_published(late.name)
            assert len(full(daemon)) == 1, "told once"
            assert daemon.lines("ledger.works")
        expect_published(lab, early)
        expect_published(lab, late)

        # A pass that can write nothing down must not say that all is well.
        fill(filler)
        done = lab.call("once", expect=1)
        assert "full" in done.stdout + done.stderr
