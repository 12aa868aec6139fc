"""The service ends in the middle of a real azcopy: what is there stays, the rest is sent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.scene import OWN_SHEET, PREFIX, Scene, azcopies
from tests.e2e.lab import Lab
from tests.servers import Azurite

#: Files of 1 MB at 2 MB/s: some are through, some are not, for several seconds.
SLOWLY = ["cap_mbps = 16", "concurrency = 2"]


@pytest.fixture
def slow(tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path) -> Iterator[Scene]:
    """A run that takes azcopy a while; nothing is pruned."""
    assert azcopy_path.exists()
    lab = Lab(tmp_path, azurite, container, kinds={"miseq": "miseq"})
    lab.configure(azcopy=SLOWLY)
    yield Scene(lab, prune=["enabled = false"], bytes_per_bcl=1_000_000, cycles=(12,))
    for pid in azcopies(lab.state):
        os.kill(pid, signal.SIGKILL)


def large(scene: Scene) -> dict[str, str]:
    """The large files that are in the lake, with their ETags."""
    return {name: blob.etag for name, blob in scene.lab.blobs().items() if blob.size == 1_000_000}


def end(scene: Scene, how: signal.Signals) -> tuple[dict[str, str], int, float]:
    """End the daemon in the middle: what had arrived then, its exit code, how long it took."""
    with scene.lab.daemon() as daemon:
        scene.lab.wait_for(lambda: len(large(scene)) >= 3, told="some files in the lake")
        running = azcopies(scene.lab.state)
        assert running, "not in the middle: azcopy is through"
        if how is signal.SIGKILL:
            # One that hangs can't notice that nobody listens to it any more.
            for pid in running:
                os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        daemon.process.send_signal(how)
        code = daemon.process.wait(60)
        took = time.monotonic() - began
        scene.assert_law()
    arrived = large(scene)
    assert 3 <= len(arrived) < 12, "not in the middle"
    row = scene.lab.the_run()
    assert (row.done, row.attempts) == ("settle", 0)
    return arrived, code, took


def goes_on(scene: Scene, arrived: dict[str, str]) -> None:
    """The next start sends what is missing, nothing else, and needs no attempt for it."""
    scene.lab.configure(azcopy=[])
    lines = scene.lab.once()
    scene.assert_law()
    (started,) = [line for line in lines if line["event"] == "transfer.started"]
    assert 0 < started["to_send"] <= len(scene.files) - len(arrived)
    now = large(scene)
    assert {name: now[name] for name in arrived} == arrived, "sent again though it was there"
    assert len(now) == 12
    row = scene.lab.the_run()
    assert (row.done, row.status, row.attempts, row.rounds) == ("publish", "finished", 0, 0)
    assert (row.files_proven, row.proof) == (len(scene.files), "checked")
    wanted = {f"{PREFIX}/{path}": data for path, data in scene.files.items()}
    wanted[f"{PREFIX}/{OWN_SHEET}"] = wanted[f"{PREFIX}/SampleSheet.csv"]
    wanted[f"{PREFIX}/SampleSheet.csv"] = scene.sheet
    for name, data in wanted.items():
        assert scene.read(name) == data, name
    assert scene.picture().snapshots == {f"{PREFIX}/SampleSheet.csv": 1}


def test_a3_kill_9_takes_azcopy_along_and_the_next_start_goes_on(slow: Scene) -> None:
    arrived, code, _ = end(slow, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert slow.lab.the_run().status == "running"
    goes_on(slow, arrived)
    assert "run.given-back" in slow.lab.events()


def test_a11_sigterm_ends_in_seconds_and_the_next_start_goes_on(slow: Scene) -> None:
    arrived, code, took = end(slow, signal.SIGTERM)
    assert code == 0
    assert took < 20, f"a stop took {took:.0f} s"
    assert slow.lab.the_run().status == "ready"
    goes_on(slow, arrived)
    events = slow.lab.events()
    assert "run.interrupted" in events
    assert "run.given-back" not in events
