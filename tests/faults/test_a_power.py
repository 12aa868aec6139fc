"""The power goes: nothing that was acknowledged is lost, and the work goes on to the same end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.adapters.failpoints import FailPoint
from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.core.errors import SyncdError
from tests.crash.conftest import undisturbed
from tests.crash.scene import Picture, Scene, azcopies, make_scene
from tests.faults.power import Disk, after, disk
from tests.servers import REPO, Azurite

__all__ = ["undisturbed"]
pytestmark = pytest.mark.root

#: Adds as many runs as each line asks for, says how many there are, and ``free`` goes on for ever;
#: what is acknowledged is written to another disk.
WRITER = """
import itertools, os, sys
from pathlib import Path
from datalake_syncd.adapters.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), writable=True)
for pragma in filter(None, sys.argv[3].split(";")):
    ledger.database._connection.execute(f"PRAGMA {pragma}").fetchall()
told = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
count = 0
for line in sys.stdin:
    for _ in itertools.count() if line == "free\\n" else range(int(line)):
        count += 1
        ledger.runs.add("miseq", f"run{count}", prefix=f"p{count}", now=1.0, reason="x")
        os.pwrite(told, b"%d" % count, 0)
    print(count, flush=True)
"""


class Writer:
    """A process that writes a ledger on a disk of its own."""

    def __init__(self, where: Path, told: Path, pragmas: str) -> None:
        self._told = told
        told.write_text("0")
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(where), str(told), pragmas],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPO,
        )  # fmt: skip

    def add(self, number: int) -> int:
        """So many more; gives how many are acknowledged."""
        self.go(str(number))
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def go(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def acknowledged(self) -> int:
        return int(self._told.read_text())


def stop(process: subprocess.Popen[Any]) -> None:
    """SIGSTOP, and wait until it does: what the kernel still does for it is done then."""
    process.send_signal(signal.SIGSTOP)
    while process.poll() is None:
        if Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] in "TZ":
            return
        time.sleep(0.01)


def survived(image: Path, place: Path) -> int:
    """How many runs a ledger holds after the cut, each with its event; -1 if it is damaged."""
    with after(image, place):
        try:
            ledger = Ledger(place, writable=True)
        except SyncdError:
            return -1
        try:
            if [tuple(row) for row in ledger.database.rows("PRAGMA integrity_check")] != [("ok",)]:
                return -1
            (row,) = ledger.database.rows("SELECT count(*) AS n, max(id) AS last FROM events")
            runs = ledger.runs.all()
            assert [run.id for run in runs] == list(range(1, len(runs) + 1))
            assert row["n"] == len(runs), "a run without its event"
            return len(runs)
        finally:
            ledger.close()


def cuts(tmp_path: Path, pragmas: str = "") -> list[tuple[int, int]]:
    """(acknowledged, there after the cut) of cuts right after a step, and at random instants."""
    told = []
    with disk(tmp_path / "disk", "16M") as one:
        writer = Writer(one.place, tmp_path / "told", pragmas)
        try:
            for number in (1, 2, 1, 5, 1, 20):
                acknowledged = writer.add(number)
                told.append((acknowledged, survived(one.copy(), tmp_path / "look")))
            writer.go("free")
            chance = random.Random(8)
            for _ in range(6):
                enough = writer.acknowledged() + chance.randint(1, 300)
                while writer.acknowledged() < enough:
                    assert writer.process.poll() is None
                stop(writer.process)
                # Read when nothing moves any more: all that it knows to be written.
                acknowledged = writer.acknowledged()
                told.append((acknowledged, survived(one.copy(), tmp_path / "look")))
                os.kill(writer.process.pid, signal.SIGCONT)
        finally:
            writer.process.kill()
            writer.process.communicate()
    return told


def test_a8_a_power_cut_loses_no_acknowledged_transition(tmp_path: Path) -> None:
    for acknowledged, there in cuts(tmp_path):
        # The one that was being written may be there as well.
        assert there in (acknowledged, acknowledged + 1)


@pytest.mark.parametrize(
    "pragmas",
    ["synchronous=FULL", "synchronous=OFF", "journal_mode=WAL;synchronous=NORMAL"],
    ids=["full", "off", "wal-normal"],
)
def test_a8_a_weaker_ledger_would_be_caught(tmp_path: Path, pragmas: str) -> None:
    """The test above can fail: these are the ledgers that it must not let pass."""
    assert any(there < acknowledged for acknowledged, there in cuts(tmp_path, pragmas))


# --- the whole service on the disk --------------------------------------------------------------

#: In the order of the road; what follows each one is lost with the power.
CARRIED = [
    FailPoint.HASHES_NOTED,
    FailPoint.RECORD_TRANSFER,
    FailPoint.INSTRUMENT_SHEET_KEPT,
    FailPoint.RECORD_PUBLISH,
]
PRUNED = [
    FailPoint.PRUNE_INTENDED,
    FailPoint.PRUNE_RENAMED,
    FailPoint.RECORD_PRUNE,
    FailPoint.TRASH_FILE_UNLINKED,
    FailPoint.RECORD_TRASH,
]


def told(run: Run) -> tuple[object, ...]:
    return run.done, run.status, run.version, run.trash, run.published_at, run.pruned_at


def cut(
    scene: Scene, one: Disk, log: Path, now: Callable[[], bool], *, flush: bool = False, **env: str
) -> None:
    """Start a pass, cut the power when ``now``, and mount what is left of the disk.

    ``flush``: the kernel had just written everything by itself.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            scene.lab.command("once"), stdout=output, stderr=output, cwd=REPO,
            env={**os.environ, **env},
        )  # fmt: skip
    try:
        scene.lab.wait_for(lambda: now() or process.poll() is not None, told="the instant")
        stop(process)
        if flush:
            os.sync()
        image = one.copy()
    finally:
        process.kill()
        process.wait()
    scene.lab.wait_for(lambda: not azcopies(scene.lab.state), told="azcopy ends")
    one.swap(image)
    scene.assert_law()


@pytest.mark.slow
@pytest.mark.parametrize("points", [CARRIED, PRUNED], ids=["carried", "pruned"])
def test_a8_a9_the_power_goes_at_every_step_and_the_end_is_the_same(
    tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path,
    undisturbed: Picture, points: list[FailPoint],
) -> None:  # fmt: skip
    """State directory, source and trash are on one disk, and all go on from what it held."""
    assert azcopy_path.exists()
    log = tmp_path / "log"
    with disk(tmp_path / "disk") as one:
        scene = make_scene(one.place, azurite, container)
        os.sync()  # the run was written long ago
        for point in points:
            (tmp_path / point).touch()
            known: list[Run] = []

            def now(point: FailPoint = point, known: list[Run] = known) -> bool:
                waits = f"waits at {point}\n" in log.read_text()
                if waits:
                    known.append(scene.lab.the_run())  # nobody writes there while it waits
                return waits

            flush = point is FailPoint.TRASH_FILE_UNLINKED
            cut(scene, one, log, now, flush=flush, SYNCD_PAUSE=str(tmp_path))
            (tmp_path / point).unlink()
            assert told(scene.lab.the_run()) == told(known[0]), f"lost at {point}"
        scene.once()
        scene.picture().expect_like(undisturbed, folders=False)


@pytest.mark.slow
def test_a8_a9_the_power_goes_at_random_instants_and_the_end_is_the_same(
    tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path, undisturbed: Picture
) -> None:
    assert azcopy_path.exists()
    log = tmp_path / "log"
    chance = random.Random(1)
    with disk(tmp_path / "disk") as one:
        scene = make_scene(one.place, azurite, container)
        os.sync()
        for _ in range(3):
            lines = chance.randint(2, 10)
            cut(scene, one, log, lambda lines=lines: log.read_text().count("\n") >= lines)  # type: ignore[misc]
        scene.once()
        scene.picture().expect_like(undisturbed, folders=False)
