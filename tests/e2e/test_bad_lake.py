"""A lake that can't be reached or does not let us in: said, waited for, and gone on with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.sequencer import SequencerRun
from tests.e2e.lab import Lab
from tests.e2e.runs import (
    expect_published,
    folder_of,
    instrument_of,
    miseq,
    nextseq,
    row_of,
    write,
)
from tests.servers import Azurite

WRONG = "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc="


def waits_for(lab: Lab, run: SequencerRun, *words: str) -> Callable[[], bool]:
    """The run waits after a step that failed, and the reason has these words."""

    def told() -> bool:
        row = lab.run(run.name, instrument_of(run))
        if row is None or row.status != "waiting" or row.reason is None:
            return False
        return row.done != "sighted" and all(word in row.reason for word in words)

    return told


def test_e26_a_secret_that_is_no_good_is_told_and_read_again(lab: Lab) -> None:
    run, other = miseq(1), nextseq(2)
    write(lab, run, other)
    good = lab.secret.read_text()
    lab.secret.unlink()
    with lab.daemon() as daemon:

        def stage(*words: str) -> None:
            lab.wait_for(waits_for(lab, run, *words), told=str(words))
            row = row_of(lab, run)
            assert row.next_step
            assert row.published_at is None

        stage("secret", "does not exist")
        lab.secret.touch(mode=0o600)
        lab.call("retry", run.name)
        stage("secret", "is empty")

        lab.secret.write_text(good)
        lab.secret.chmod(0o644)
        lab.call("retry", run.name)
        stage("open to other users (mode 644)")
        assert "chmod 600" in (row_of(lab, run).next_step or "")

        lab.secret.chmod(0o600)
        key = good.partition("AccountKey=")[2].partition(";")[0]
        lab.secret.write_text(good.replace(key, WRONG))
        lab.call("retry", run.name)
        stage("was refused")
        lab.call("retry", run.name)
        lab.wait_for(lambda: daemon.lines("lake.refused"), told="all uploads are paused")
        (line,) = daemon.lines("lake.refused")
        assert line["level"] == "ERROR"
        assert not lab.blobs()

        lab.secret.write_text(good)
        lab.call("retry", run.name)
        lab.call("retry", other.name)
        lab.wait_published(run.name)
        lab.wait_published(other.name, "nextseq")
        assert daemon.lines("lake.accepts-again")
    expect_published(lab, run)
    expect_published(lab, other)
    told = (lab.root / "daemon.log").read_text()
    assert key not in told
    assert WRONG not in told
    assert key.encode() not in (lab.state / "ledger.sqlite").read_bytes()


def test_a_pass_that_is_refused_does_not_say_that_all_is_well(lab: Lab) -> None:
    run = miseq(1)
    write(lab, run)
    good = lab.secret.read_text()
    key = good.partition("AccountKey=")[2].partition(";")[0]
    lab.secret.write_text(good.replace(key, WRONG))
    log = lab.once(expect=1)
    assert waits_for(lab, run, "was refused")()
    assert [line for line in log if line["event"] == "once.unfinished"]
    lab.secret.write_text(good)
    lab.call("retry", run.name)
    lab.once()
    expect_published(lab, run)


@pytest.mark.slow
def test_e21_e4_a_lake_that_comes_late_and_dies_in_mid_transfer(
    tmp_path: Path, azcopy_path: Path
) -> None:
    azurite = Azurite(tmp_path / "azurite")
    azurite.start()
    try:
        lab = Lab(tmp_path / "lab", azurite, "late-lake")
        lab.configure(azcopy=[f'path = "{azcopy_path}"', "cap_mbps = 16", 'stall_timeout = "4s"'])
        azurite.stop()
        small, big = miseq(1), nextseq(2)
        write(lab, small)
        with lab.daemon() as daemon:
            lab.wait_for(waits_for(lab, small, "could not be reached", "refused"), told="down")
            azurite.start()
            lab.call("retry", small.name)
            lab.wait_for(waits_for(lab, small, "late-lake does not exist"), told="no container")
            assert "create the container" in (row_of(lab, small).next_step or "")
            azurite.make_container("late-lake")
            lab.call("retry", small.name)
            lab.wait_published(small.name)

            write(lab, big)
            (folder_of(lab, big) / "big.bin").write_bytes(os.urandom(8 << 20))
            key = f"nextseq/{big.name}"
            lab.wait_for(lambda: key in {line["run"] for line in daemon.lines("transfer.started")})
            time.sleep(1.0)
            assert row_of(lab, big).status == "running", "too fast: nothing to see"
            # Not killed: Azurite would lose what it has acknowledged, which Azure does not.
            azurite.stop()
            lab.wait_for(waits_for(lab, big, "azcopy was ended because"), told="killed")
            assert row_of(lab, big).published_at is None
            azurite.start()
            # By itself: nobody asks for it.
            lab.wait_published(big.name, "nextseq")
        expect_published(lab, small)
        expect_published(lab, big)
    finally:
        azurite.stop()
