"""Watching: offline is never deletion, new configurations come in while runs are under way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest

from demo.sequencer import MiSeqRun, NextSeqRun
from tests.e2e.lab import MISEQ, NEXTSEQ, Lab, tree_of
from tests.e2e.runs import miseq

OUT = f"miseq-out/{MISEQ}"


def instrument(lab: Lab, name: str = "miseq") -> tuple[bool | None, str | None]:
    with lab.ledger() as ledger:
        row = ledger.desk.instrument(name)
        assert row is not None
        return row.online, row.offline_reason


def test_d5_a_run_is_found_while_the_daemon_runs_and_events_make_it_soon(lab: Lab) -> None:
    lab.configure(daemon=['scan_interval = "10m"'])
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        time.sleep(1.5)
        run = MiSeqRun(MISEQ)
        run.write_all(lab.source())
        lab.wait_published()
    lab.expect_in_lake(run.files(), OUT)


def test_c19_a_run_that_is_still_being_written_waits_for_its_last_flag(lab: Lab) -> None:
    with lab.daemon() as daemon:
        run = NextSeqRun(NEXTSEQ)
        run.write(lab.source("nextseq"), pause=0.05)
        lab.wait_published(NEXTSEQ, "nextseq")
        lab.expect_in_lake(run.files(), f"nextseq-out/{NEXTSEQ}")
        settled = daemon.lines("run.settled")
    assert len(settled) == 1, "it was not settled before its time"
    assert settled[0]["files"] == len(run.files())


@pytest.mark.parametrize("away", ["missing", "empty"])
def test_c1_a_source_that_is_away_loses_nothing(lab: Lab, away: str) -> None:
    run = MiSeqRun(MISEQ)
    run.write_all(lab.source())
    second = MiSeqRun("230105_M00001_0005_000000000-EEEEE", no_flags=True)
    second.write_all(lab.source())
    lab.once()
    with lab.daemon() as daemon:
        lab.wait_for(lambda: instrument(lab)[0])
        before = lab.the_run()
        lab.source().rename(lab.root / "aside")
        if away == "empty":
            lab.source().mkdir()
        lab.wait_for(lambda: daemon.lines("source.offline"), told="offline")
        online, reason = instrument(lab)
        assert online is False
        assert ("empty" if away == "empty" else "not there") in (reason or "")
        time.sleep(2.5)
        assert lab.the_run() == before
        assert lab.the_run(second.name).reason == (lab.the_run(second.name).reason)
        assert "run.vanished" not in lab.events(second.name)
        told = lab.call("status", expect=1).stdout
        assert "offline" in told
        if away == "empty":
            lab.source().rmdir()
        (lab.root / "aside").rename(lab.source())
        lab.wait_for(lambda: daemon.lines("source.online"), told="online again")
    assert len(daemon.lines("source.offline")) == 1, "told once, not at every scan"


def test_c1_require_mount_keeps_an_unmounted_folder_offline(lab: Lab) -> None:
    MiSeqRun(MISEQ).write_all(lab.source())
    lab.configure(instruments__miseq=["require_mount = true"])
    lab.once(expect=1)
    assert "not a mount point" in (instrument(lab)[1] or "")
    assert lab.run() is None


@pytest.mark.root
def test_c4_d6_another_disk_at_the_same_place_is_not_believed(lab: Lab) -> None:
    run = MiSeqRun(MISEQ)
    run.write_all(lab.source())
    with lab.daemon() as daemon:
        lab.wait_published()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(lab.source())], check=True)
        try:
            (lab.source() / "something else").mkdir()
            lab.wait_for(lambda: daemon.lines("source.offline"), told="offline")
            assert "another file system" in (instrument(lab)[1] or "")
            assert "run.gone" not in lab.events()
        finally:
            subprocess.run(["umount", str(lab.source())], check=True)
        lab.wait_for(lambda: daemon.lines("source.online"), told="online again")


@pytest.mark.root
def test_c4_a_disk_that_replaces_another_is_taken_under_another_path(lab: Lab) -> None:
    MiSeqRun(MISEQ).write_all(lab.source())
    lab.once()
    new = lab.root / "new-disk"
    new.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(new)], check=True)
    try:
        late = miseq(2)
        late.write_all(new)
        lab.configure(instruments__miseq=[f'source = "{new}"'])
        with lab.daemon() as daemon:
            lab.wait_published(late.name)
            assert not daemon.lines("source.offline")
        assert lab.the_run().published_at is not None
    finally:
        subprocess.run(["umount", str(new)], check=True)


def test_one_folder_that_vanishes_is_told_and_comes_back(lab: Lab) -> None:
    MiSeqRun(MISEQ, no_flags=True).write_all(lab.source())
    (lab.source() / "Instrument").mkdir()
    with lab.daemon() as daemon:
        lab.wait_for(lambda: lab.run() is not None)
        (lab.source() / MISEQ).rename(lab.root / "aside")
        lab.wait_for(lambda: daemon.lines("run.vanished"), told="vanished")
        assert lab.the_run().status == "blocked"
        (lab.root / "aside").rename(lab.source() / MISEQ)
        MiSeqRun(MISEQ).write_all(lab.source())
        lab.wait_published()


def test_a12_i3_a_reload_brings_an_instrument_in_without_disturbing_a_transfer(lab: Lab) -> None:
    lab.kinds = {"miseq": "miseq"}
    lab.configure(azcopy=["cap_mbps = 8"])
    folder = MiSeqRun(MISEQ).write_all(lab.source())
    (folder / "big").write_bytes(os.urandom(8 << 20))
    files = tree_of(folder)
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("transfer.started"), told="transfer")
        # A broken file first: the old one stays in force.
        good = lab.config.read_text()
        lab.config.write_text(good.replace("quiet", "quite"))
        daemon.process.send_signal(signal.SIGHUP)
        lab.wait_for(lambda: daemon.lines("config.refused"), told="refused")
        (refused,) = daemon.lines("config.refused")
        assert "instruments.miseq.quite" in refused["message"]
        assert "quiet" in refused["message"]
        lab.kinds = {"miseq": "miseq", "nextseq": "nextseq500"}
        lab.configure()
        daemon.process.send_signal(signal.SIGHUP)
        lab.wait_for(lambda: daemon.lines("config.taken"), told="taken")
        nextseq = NextSeqRun(NEXTSEQ)
        nextseq.write_all(lab.source("nextseq"))
        lab.wait_published(NEXTSEQ, "nextseq")
        lab.wait_published()
        assert len(daemon.lines("transfer.started")) == 2, "the running one was not begun again"
    lab.expect_in_lake(files, OUT)
    lab.expect_in_lake(nextseq.files(), f"nextseq-out/{NEXTSEQ}")


def test_i4_an_instrument_that_is_taken_out_keeps_its_runs(lab: Lab) -> None:
    MiSeqRun(MISEQ, no_flags=True).write_all(lab.source())
    with lab.daemon() as daemon:
        lab.wait_for(lambda: lab.run() is not None)
        del lab.kinds["miseq"]
        lab.configure()
        daemon.process.send_signal(signal.SIGHUP)
        lab.wait_for(lambda: daemon.lines("config.taken"), told="taken")
        assert MISEQ in lab.call("status", expect=None).stdout
        lab.kinds["miseq"] = "miseq"
        lab.configure()
        daemon.process.send_signal(signal.SIGHUP)
        MiSeqRun(MISEQ).write_all(lab.source())
        lab.wait_published()


def test_b8_two_daemons_on_one_state_directory(lab: Lab) -> None:
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("service.started"))
        second = lab.call("run", expect=1)
        assert f"process {daemon.process.pid}" in second.stderr
        assert daemon.process.poll() is None


def test_a_hung_source_stops_nobody_else(lab: Lab) -> None:
    """A FIFO in place of a metadata file must not block; a real hang is in the fault suite."""
    folder = MiSeqRun(MISEQ).write_all(lab.source())
    (folder / "RunInfo.xml").unlink()
    os.mkfifo(folder / "RunInfo.xml")
    nextseq = NextSeqRun(NEXTSEQ)
    nextseq.write_all(lab.source("nextseq"))
    lab.once(expect=None)
    lab.expect_in_lake(nextseq.files(), f"nextseq-out/{NEXTSEQ}")
    assert lab.the_run().status == "blocked"
    assert "RunInfo.xml" in (lab.the_run().reason or "")
    shutil.rmtree(folder)


def test_a_run_that_was_renamed_so_that_it_is_none_is_told_once(lab: Lab) -> None:
    other = "230101_M00001_0002_000000000-BBBBB"
    odd = lab.source() / f"{other}_finished"
    MiSeqRun(MISEQ).write_all(lab.source())
    MiSeqRun(other).write_all(lab.source()).rename(odd)
    (lab.source() / f"{MISEQ}.csv").write_text("no folder")
    (lab.source() / f"{other}.tmp").mkdir()
    lab.configure(daemon=['scan_interval = "0.2s"'])
    with lab.daemon() as daemon:
        lab.wait_published(MISEQ)
        time.sleep(1)
        (line,) = daemon.lines("run.odd-name")
    assert (line["level"], line["instrument"]) == ("WARNING", "miseq")
    assert line["message"].startswith(f"{odd.name} looks like a run, but its name is not one")
    assert "rename it" in line["next_step"]
    assert lab.run(odd.name) is None
