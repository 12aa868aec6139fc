"""C5: a source that does not answer. It costs its own instrument, and nobody else waits for it.

A FUSE server that is stopped leaves callers in a wait that a kill ends, as most shares do. One that
took the request and never answers keeps whoever was killed in state D, as a dead disk does.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import Daemon, Lab, tree_of
from tests.e2e.mounts import ext4
from tests.e2e.runs import expect_published, folder_of, miseq, nextseq, row_of, write
from tests.faults.fuse_source import FaultySource, faulty
from tests.manager import Manager

pytestmark = pytest.mark.root
#: What nobody reads but azcopy and we for its MD5.
DATA = "s_1_1101.bcl"
TRASH = ".datalake-syncd-trash"
PRUNE = ["enabled = true", 'keep = "0s"', 'trash = "1h"']
#: One worker: if a hang held it, no other run would move.
ONE = ["workers = 1"]


@pytest.fixture
def source(lab: Lab) -> Iterator[FaultySource]:
    with faulty(lab.source(), lab.root / "behind") as one:
        yield one


def hangs_there(daemon: Daemon) -> bool:
    """Whether a thread of the daemon waits for an answer of the file system."""
    threads = Path(f"/proc/{daemon.process.pid}/task").glob("*/wchan")
    return any("request_wait_answer" in thread.read_text() for thread in threads)


def waits_for(lab: Lab, *words: str) -> None:
    """The run of the MiSeq waits, with these words as its reason."""

    def told() -> bool:
        row = lab.run(miseq(1).name)
        if row is None or row.status != "waiting":
            return False
        return all(word in (row.reason or "") for word in words)

    lab.wait_for(told, told=str(words))


def expect_nobody_else_waits(lab: Lab, daemon: Daemon, number: int = 1) -> None:
    write(lab, nextseq(number))
    lab.wait_published(nextseq(number).name, "nextseq")
    assert not daemon.lines("loop.hangs")


def test_c5_a_share_that_stops_answering_stops_nobody_else(
    lab: Lab, source: FaultySource, tmp_path: Path
) -> None:
    write(lab, miseq(1))
    with Manager(tmp_path) as manager:
        environment = {
            "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1500000",
            "SYNCD_PULSE_WITHIN": "5", "SYNCD_PATIENCE": "2",
        }  # fmt: skip
        with lab.daemon(**environment) as daemon:
            lab.wait_published(miseq(1).name)
            before = lab.the_run(miseq(1).name)
            source.stop()
            lab.wait_for(lambda: daemon.lines("source.offline"), told="offline")
            (line,) = daemon.lines("source.offline")
            assert "miseq does not answer" in line["message"]
            assert "check the mount" in line["next_step"]
            expect_nobody_else_waits(lab, daemon)
            assert "offline" in lab.call("status", expect=1).stdout
            assert row_of(lab, miseq(1)) == before
            fed = manager.times("WATCHDOG")
            assert max(b - a for a, b in itertools.pairwise(fed)) < 5, "the watchdog starved"
            source.go_on()
            lab.wait_for(lambda: daemon.lines("source.online"), told="online again")
            write(lab, miseq(2))
            lab.wait_published(miseq(2).name)
    for run in (miseq(1), miseq(2)):
        expect_published(lab, run)


def test_c5_the_service_ends_although_a_share_hangs(lab: Lab, source: FaultySource) -> None:
    """With the real patience of two minutes: nobody waits for it when the service is to end."""
    write(lab, miseq(1))
    with lab.daemon() as daemon:
        lab.wait_published(miseq(1).name)
        source.stop()
        lab.wait_for(lambda: hangs_there(daemon), told="a scan hangs")
        daemon.process.terminate()
        assert daemon.process.wait(40) == 0, "longer than the grace of its stop"
        source.go_on()
    assert daemon.lines("service.stopped")
    assert not [line for line in daemon.lines() if line["level"] == "ERROR"], "a stop is no fault"
    expect_published(lab, miseq(1))


@pytest.mark.parametrize("who", [pytest.param("azcopy", marks=pytest.mark.slow), "python"])
def test_c5_a_file_that_never_comes_costs_its_run_alone(
    lab: Lab, source: FaultySource, who: str
) -> None:
    """Given up after ``stall_timeout``; a killed azcopy that the kernel keeps is left behind."""
    lab.configure(daemon=ONE, azcopy=['stall_timeout = "2s"'])
    write(lab, miseq(1))
    source.rules({"op": "read", "path": DATA, "by": who, "wait": True})
    with lab.daemon() as daemon:
        stuck = "azcopy" if who == "azcopy" else "does not answer"
        waits_for(lab, stuck)
        expect_nobody_else_waits(lab, daemon)
        assert f"miseq-out/{miseq(1).name}.sync" not in lab.blobs()
        if who == "azcopy":
            line = daemon.lines("azcopy.output")[0]  # it may have been tried again since
            assert any("can't be killed" in words for words in line["said"])
        source.rules()
        lab.call("retry", miseq(1).name)
        lab.wait_published(miseq(1).name)
    expect_published(lab, miseq(1))


def published(lab: Lab) -> dict[str, bytes]:
    write(lab, miseq(1))
    lab.once()
    return tree_of(folder_of(lab, miseq(1)))


def in_trash(source: FaultySource) -> Path:
    """Looked at from behind: the kernel locks a folder in which an unlink hangs."""
    (folder,) = (source.behind / TRASH).iterdir()
    return folder


@pytest.mark.parametrize(
    "rule",
    [
        {"op": "mkdir", "path": TRASH},
        {"op": "rename", "path": miseq(1).name},
        {"op": "read", "path": DATA},
    ],
    ids=["mkdir", "rename", "hash"],
)
def test_c5_pruning_gives_up_a_call_that_hangs_and_goes_on_where_it_was(
    lab: Lab, source: FaultySource, rule: dict[str, str]
) -> None:
    files = published(lab)
    lab.configure(daemon=ONE, instruments__miseq__prune=PRUNE)
    source.rules({**rule, "wait": True})
    with lab.daemon(SYNCD_PATIENCE="2", SYNCD_PULSE_WITHIN="5") as daemon:
        waits_for(lab, "miseq does not answer")
        expect_nobody_else_waits(lab, daemon)
        assert tree_of(source.behind / miseq(1).name) == files, "all of it is still there"
        source.rules()
        lab.call("retry", miseq(1).name)
        lab.wait_for(lambda: row_of(lab, miseq(1)).done == "prune", told="in the trash")
    assert tree_of(in_trash(source)) == files
    lab.expect_in_lake(files, f"miseq-out/{miseq(1).name}")


def test_c5_an_unlink_that_hangs_is_the_last_one_until_it_is_looked_at_again(
    lab: Lab, source: FaultySource
) -> None:
    files = published(lab)
    prune = [*PRUNE[:2], 'trash = "0s"']
    lab.configure(daemon=ONE, instruments__miseq__prune=prune)
    source.rules({"op": "unlink", "path": "RunInfo.xml", "wait": True})
    with lab.daemon(SYNCD_PATIENCE="2", SYNCD_PULSE_WITHIN="5") as daemon:
        waits_for(lab, "miseq does not answer")
        left = tree_of(in_trash(source))
        assert 0 < len(left) < len(files)
        expect_nobody_else_waits(lab, daemon)
        told = lab.call("hold", miseq(1).name, "--reason", "Anna looks").stdout
        assert "is held" in told
        source.rules()
        lab.wait_for(lambda: not (in_trash(source) / "RunInfo.xml").exists(), told="it came back")
        # Whoever was given up does nothing more: all that came after it in the plan is there.
        write(lab, nextseq(2))
        lab.wait_published(nextseq(2).name, "nextseq")
        left.pop("RunInfo.xml")
        assert tree_of(in_trash(source)) == left
        lab.call("release", miseq(1).name)
        lab.call("retry", miseq(1).name, expect=None)
        lab.wait_for(lambda: row_of(lab, miseq(1)).emptied_at, told="emptied")
    lab.expect_in_lake(files, f"miseq-out/{miseq(1).name}")


def test_c5_a_rename_that_no_signal_reaches_holds_no_worker(lab: Lab) -> None:
    """On a frozen file system whoever writes waits in state D."""
    with ext4(lab.source(), 32 << 20):
        files = published(lab)
        lab.configure(daemon=ONE, instruments__miseq__prune=PRUNE)
        subprocess.run(["fsfreeze", "--freeze", str(lab.source())], check=True)
        thaw = ["fsfreeze", "--unfreeze", str(lab.source())]
        with lab.daemon(SYNCD_PATIENCE="2", SYNCD_PULSE_WITHIN="5") as daemon:
            try:
                waits_for(lab, "miseq does not answer")
                threads = Path(f"/proc/{daemon.process.pid}/task").glob("*/stat")
                assert any(") D " in thread.read_text() for thread in threads), "no real hang"
                expect_nobody_else_waits(lab, daemon)
            finally:
                subprocess.run(thaw, check=True)
            lab.call("retry", miseq(1).name, expect=None)
            lab.wait_for(lambda: row_of(lab, miseq(1)).done == "prune", told="in the trash")
        (trash,) = (lab.source() / TRASH).iterdir()
        assert tree_of(trash) == files
