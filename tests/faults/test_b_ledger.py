"""The ledger and the disk under it: full, failing, damaged, lost, old, held by others."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from datalake_syncd.adapters.failpoints import FailPoint
from datalake_syncd.adapters.ledger import LEDGER, Ledger, LedgerFull, database
from tests.conftest import need
from tests.crash.conftest import scene, undisturbed
from tests.crash.scene import PREFIX, Picture, Scene
from tests.e2e.lab import MISEQ, Lab, tree_of
from tests.e2e.mounts import fill, read_only, tmpfs
from tests.e2e.runs import expect_published, folder_of, miseq, row_of, write
from tests.servers import Azurite

__all__ = ["scene", "undisturbed"]


# --- full ---------------------------------------------------------------------------------------


@pytest.mark.root
def test_b3_a_full_disk_under_azcopys_plans_is_no_fault_of_the_run(lab: Lab) -> None:
    """Its folder of lists, plans and logs is a disk of its own, and full; later it is not."""
    run = miseq(1)
    place = lab.state / "azcopy"
    place.mkdir(parents=True)
    write(lab, run)
    with tmpfs(place, "64k"):
        fill(place / "filler")
        os.truncate(place / "filler", (place / "filler").stat().st_size - 12_288)
        with lab.daemon():
            lab.wait_for(lambda: lab.run(run.name) and row_of(lab, run).attempts, told="a try")
            row = row_of(lab, run)
            assert row.status == "waiting"
            assert "full" in (row.reason or "") or "No space" in (row.reason or ""), row.reason
            assert "space" in (row.next_step or "")
            assert not list(place.glob("copy-*")), "what did not work leaves nothing behind"
            subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
            (place / "filler").unlink()
            lab.call("retry", run.name)
            lab.wait_published(run.name)
        assert not list(place.glob("copy-*"))
    expect_published(lab, run)


# --- failing ------------------------------------------------------------------------------------


@contextmanager
def failing(call: str, pid: int, file: Path, folder: Path) -> Iterator[None]:
    """Each such system call of a process on ``file`` ends with an input/output error."""
    need(shutil.which("strace") is not None, "strace")
    told = folder / "strace"
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", str(told), "-p", str(pid), "-P", str(file),
         "-e", f"trace={call}", "-e", f"inject={call}:error=EIO"],
    )  # fmt: skip
    try:
        yield
        assert "EIO" in told.read_text(), "nothing was asked of the disk meanwhile"
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)


@pytest.mark.root
def test_b4_a_disk_that_takes_no_write_stops_everything_and_is_named(
    lab: Lab, tmp_path: Path
) -> None:
    early, late = miseq(1), miseq(2)
    write(lab, early)
    with lab.daemon() as daemon:
        lab.wait_published(early.name)
        before = set(lab.blobs())
        with failing("pwrite64", daemon.process.pid, lab.state / LEDGER, tmp_path):
            write(lab, late)
            lab.wait_for(lambda: daemon.lines("ledger.full"), told="ledger.full")
            (line,) = daemon.lines("ledger.full")
            assert (line["level"], "disk I/O error" in line["message"]) == ("ERROR", True)
            assert "dmesg" in line["next_step"]
            assert daemon.process.poll() is None, "it must stay up"
            assert set(lab.blobs()) == before
        lab.wait_published(late.name)
        assert daemon.lines("ledger.works")
    expect_published(lab, early)
    expect_published(lab, late)


@pytest.mark.root
def test_b4_a_disk_that_can_not_be_read_ends_the_service_before_it_guesses(
    lab: Lab, tmp_path: Path
) -> None:
    early, late = miseq(1), miseq(2)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "3d"'])
    write(lab, early)
    lab.once(SYNCD_FAILPOINT=FailPoint.BEFORE_PRUNE.value, expect=-9)
    write(lab, late)
    before = set(lab.blobs())
    (tmp_path / FailPoint.BEFORE_PRUNE).touch()
    with lab.daemon(SYNCD_PAUSE=str(tmp_path)) as daemon:
        lab.wait_for(lambda: "waits at" in daemon.log.read_text(), told="about to prune")
        with failing("pread64", daemon.process.pid, lab.state / LEDGER, tmp_path):
            (tmp_path / FailPoint.BEFORE_PRUNE).unlink()
            assert daemon.process.wait(90) not in (0, -9), "who starts it anew must know"
    log = daemon.log.read_text()
    assert "its disk fails" in log
    assert "dmesg" in log
    assert tree_of(folder_of(lab, early)) == early.files()
    assert {name for name in lab.blobs() if name.endswith(".sync")} <= before
    lab.once()  # the disk works again: so does the ledger
    lab.expect_in_lake(early.files(), f"miseq-out/{early.name}")
    lab.expect_in_lake(late.files(), f"miseq-out/{late.name}")
    assert row_of(lab, early).pruned_at is not None


@pytest.mark.root
def test_b15_a_state_directory_that_can_not_be_written_is_named_at_the_start(lab: Lab) -> None:
    lab.state.mkdir()
    for known in (False, True):
        with read_only(lab.state):
            done = lab.call("run", expect=None, timeout=30)
            assert done.returncode in (1, 2)
            assert str(lab.state) in done.stderr
            assert f"uid {os.getuid()}" in done.stderr
            assert "Traceback" not in done.stderr + done.stdout
        if not known:
            lab.once()  # the second time there is a ledger


# --- damaged, lost, old -------------------------------------------------------------------------


def test_b5_a_damaged_ledger_is_refused_or_frees_nothing_that_is_not_proven(
    scene: Scene, undisturbed: Picture
) -> None:
    """Bytes flip in a ledger that is about to prune; then its file is moved aside as is told."""
    scene.once(FailPoint.BEFORE_PRUNE)
    ledger = scene.lab.state / LEDGER
    good = ledger.read_bytes()
    place = scene.lab.root / "place"
    shutil.copytree(scene.place, place)
    refused = 0
    for part in range(1, 4):
        damaged = bytearray(good)
        start = len(good) * part // 4
        damaged[start : start + 2048] = bytes(byte ^ 0x5A for byte in damaged[start : start + 2048])
        ledger.write_bytes(damaged)
        done = scene.lab.call("once", expect=None)
        scene.assert_law()
        if done.returncode == 2:
            refused += 1
            assert f"mv {ledger}" in done.stderr
            assert tree_of(scene.place) == scene.files
            assert ledger.read_bytes() == damaged, "what is broken is not made worse"
        elif not scene.place.exists():
            shutil.copytree(place, scene.place, copy_function=shutil.copy2)
    assert refused, "none of this was found"
    ledger.rename(f"{ledger}.broken")
    scene.once()
    assert Path(f"{ledger}.broken").exists()
    picture = scene.picture()
    assert picture.blobs == undisturbed.blobs
    assert picture.disk == undisturbed.disk


def test_b7_an_old_ledger_that_comes_back_is_not_believed(scene: Scene) -> None:
    """The VM's snapshot is of the moment before pruning; disk and lake went on since."""
    scene.lab.configure(instruments__miseq__prune=["enabled = false"])
    scene.once()
    old = scene.lab.root / "snapshot"
    shutil.copytree(scene.lab.state, old)
    # A file was written again and published, and the lake lost another one.
    again = scene.place / "InterOp" / "QMetricsOut.bin"
    scene.files["InterOp/QMetricsOut.bin"] = b"analysed again"
    again.write_bytes(b"analysed again")
    scene.lose("RunInfo.xml")
    shutil.rmtree(scene.lab.state)
    shutil.copytree(old, scene.lab.state)
    scene.lab.configure(instruments__miseq__prune=scene.prune)
    scene.between_generations = True
    for _ in range(2):
        scene.lab.once(expect=None)
        scene.assert_law()
    scene.lost.clear()
    scene.between_generations = False
    for _ in range(2):
        scene.lab.once()
        scene.assert_law()
    assert scene.read(f"{PREFIX}/InterOp/QMetricsOut.bin") == b"analysed again"
    assert scene.read(f"{PREFIX}/RunInfo.xml") == scene.files["RunInfo.xml"]
    row = scene.lab.the_run()
    assert (row.generation, row.emptied_at is not None) == (2, True)


def test_b7_an_old_ledger_of_a_run_that_was_pruned_since(scene: Scene) -> None:
    scene.once(FailPoint.RECORD_PUBLISH)
    old = scene.lab.root / "snapshot"
    shutil.copytree(scene.lab.state, old)
    scene.once()
    before = {name: blob.etag for name, blob in scene.lab.blobs().items()}
    shutil.rmtree(scene.lab.state)
    shutil.copytree(old, scene.lab.state)
    scene.lab.once(expect=None)
    scene.assert_law()
    assert {name: blob.etag for name, blob in scene.lab.blobs().items()} == before
    row = scene.lab.the_run()
    assert (row.done, row.status) == ("publish", "finished")
    assert "no longer on the source" in (row.reason or "")
    scene.lab.call("verify", MISEQ, "--read-back")


# --- held by others -----------------------------------------------------------------------------


def test_b9_two_services_that_know_nothing_of_each_other(
    scene: Scene, undisturbed: Picture, azurite: Azurite, container: str, tmp_path: Path
) -> None:
    """One source, one lake, two state directories: both carry, both prune."""
    mine = scene.lab
    (tmp_path / "other").mkdir()
    other = Lab(tmp_path / "other", azurite, container, kinds={"miseq": "miseq"})
    other.configure(
        instruments__miseq=[f'source = "{mine.source()}"', f'sample_sheets = "{mine.sheets()}"'],
        instruments__miseq__prune=scene.prune,
    )
    with mine.daemon(), other.daemon():
        mine.wait_for(lambda: not scene.place.exists(), told="one of them prunes it")
        mine.wait_for(
            lambda: all(
                (run := lab.run()) is not None and run.status in ("finished", "blocked")
                for lab in (mine, other)
            ),
            told="both come to rest",
        )
    scene.assert_law()
    prunes = [lab for lab in (mine, other) if lab.the_run().emptied_at is not None]
    assert prunes, "none of them knows that it freed the disk"
    picture = scene.picture()
    for name, data in undisturbed.blobs.items():
        if not name.endswith((".md5", ".sync")):
            assert picture.blobs[name] == data, name
    assert picture.disk == {}


def test_b8_a_ledger_that_another_process_keeps_locked_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody stopped a program in the middle of a write; it goes on when that goes away."""
    monkeypatch.setattr(database, "BUSY", 0.1)
    ours = Ledger(tmp_path, writable=True)
    other = sqlite3.connect(tmp_path / LEDGER)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(LedgerFull, match="another process keeps") as caught:
            ours.desk.put("key", "value")
        assert f"fuser -v {tmp_path / LEDGER}" in caught.value.next_step
        with pytest.raises(LedgerFull, match="another process keeps"):
            Ledger(tmp_path, writable=False)
    finally:
        other.rollback()
        other.close()
    ours.desk.put("key", "value")
    ours.close()
