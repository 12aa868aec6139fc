"""The daemon is gone and an azcopy of its own lives on: nothing it does may harm."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from datalake_syncd.adapters.failpoints import FailPoint
from demo.sequencer import NextSeqRun
from tests.crash.scene import PREFIX, Picture, Scene, azcopies
from tests.e2e.lab import NEXTSEQ, Lab
from tests.proxy import Proxy, Request
from tests.servers import AZCOPY, Azurite

#: Passes all on, and goes on listening to azcopy when nobody listens to it any more.
SURVIVOR = f"""#!/bin/bash
[ "$1" = --version ] && exec {AZCOPY} --version
set -o pipefail
{AZCOPY} "$@" | {{
    trap '' PIPE
    while IFS= read -r line; do printf '%s\\n' "$line" 2>/dev/null; done
    true
}}
"""


@dataclass
class Gate:
    """Requests that write a blob with these words in its name wait here until it is open."""

    words: str
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    open: threading.Event = field(default_factory=threading.Event)
    most: int = 1_000_000
    came: int = 0

    def __call__(self, request: Request) -> None:
        if request.put_blob and self.words in request.path and self.came < self.most:
            self.came += 1
            self.waiting.release()
            self.open.wait()


@contextmanager
def behind(gate: Gate, lab: Lab, folder: Path) -> Iterator[None]:
    """The lake behind the gate, and an azcopy that survives the daemon."""
    survivor = folder / "survivor"
    survivor.write_text(SURVIVOR)
    survivor.chmod(0o755)
    lab.configure(azcopy=[f'path = "{survivor}"'])
    with Proxy(lab.azurite.host, rule=gate) as proxy:
        lab.account_url = proxy.account_url
        lab.secret.write_text(
            lab.azurite.connection_string.replace(lab.azurite.account_url, proxy.account_url)
        )
        lab.configure()
        # No setpriv on this machine: nothing ties the life of azcopy to that of the daemon.
        lab.environment["PATH"] = str(folder)
        try:
            yield
        finally:
            gate.open.set()
            for pid in azcopies(lab.state):
                os.kill(pid, signal.SIGKILL)


def test_a3_an_orphan_in_the_middle_of_its_work_is_ended_and_its_last_write_harms_nothing(
    scene: Scene, undisturbed: Picture, tmp_path: Path
) -> None:
    gate = Gate("RunInfo.xml", most=1)
    with behind(gate, scene.lab, tmp_path):
        died = scene.lab.call("once", expect=-9, SYNCD_FAILPOINT=FailPoint.AZCOPY_STARTED.value)
        assert "died at azcopy-started\n" in died.stderr
        assert gate.waiting.acquire(timeout=10), "it should be in the middle of its work"
        orphans = azcopies(scene.lab.state)
        assert len(orphans) >= 2, "none survived"
        scene.assert_law(orphans=True)
        lines = scene.lab.once()
        assert any(line["event"] == "azcopy.orphan" for line in lines)
        assert not set(orphans) & set(azcopies(scene.lab.state))
        scene.picture().expect_like(undisturbed)
        # What it had on the way arrives only now, after all was proven and the disk was freed.
        before = scene.lab.blobs()[f"{PREFIX}/RunInfo.xml"].etag
        gate.open.set()
        scene.lab.wait_for(lambda: scene.lab.blobs()[f"{PREFIX}/RunInfo.xml"].etag != before)
        scene.assert_law()


#: Only one run comes by these while the other one's azcopy hangs. The loop without an orphan has
#: all of them; here every third, in the order of the road.
AFTER_TRANSFER = [
    point
    for point in FailPoint
    if point.value.partition("-")[0] in ("before", "effect", "record", "trash")
    and not point.value.endswith(("-settle", "-transfer"))
][::3]


@pytest.mark.slow
@pytest.mark.parametrize("points", [AFTER_TRANSFER[:3], AFTER_TRANSFER[3:]], ids=["early", "late"])
def test_a3_a4_a5_a6_a7_with_two_workers_and_an_orphan_of_the_other_run(
    azurite: Azurite, container: str, azcopy_path: Path, tmp_path: Path,
    undisturbed: Picture, points: list[FailPoint],
) -> None:  # fmt: skip
    """The daemon dies again and again at one run, in the middle of the other one's transfer."""
    assert azcopy_path.exists()
    lab = Lab(tmp_path, azurite, container)
    scene = Scene(lab)
    other = NextSeqRun(NEXTSEQ, cycles=(2,), lanes=1, thumbnails=0)
    other.write_all(lab.source("nextseq"))
    gate = Gate(f"{NEXTSEQ}/RunInfo.xml")
    with behind(gate, lab, tmp_path):
        for point in points:
            pause = tmp_path / point
            pause.touch()
            with lab.daemon(SYNCD_FAILPOINT=point.value, SYNCD_PAUSE=str(tmp_path)) as daemon:
                assert gate.waiting.acquire(timeout=60), "the other one is not being sent"
                pause.unlink()
                assert daemon.process.wait(60) == -9
            assert f"died at {point}\n" in daemon.log.read_text()
            assert azcopies(lab.state), "none survived"
            scene.assert_law(orphans=True)
        with lab.daemon() as daemon:
            lab.wait_for(lambda: lab.the_run().emptied_at is not None)
            gate.open.set()
            lab.wait_published(NEXTSEQ, "nextseq")
    scene.assert_law()
    assert len(daemon.lines("azcopy.orphan")) >= len(points)
    lab.expect_in_lake(other.files(), f"nextseq-out/{NEXTSEQ}")
    assert lab.the_run(NEXTSEQ, "nextseq").attempts == 0
    picture = scene.picture()
    blobs = {name: data for name, data in picture.blobs.items() if name.startswith("miseq-out/")}
    assert blobs == undisturbed.blobs
    assert picture.run == undisturbed.run
    assert picture.manifest == undisturbed.manifest
    assert picture.events == undisturbed.events
    assert picture.snapshots == undisturbed.snapshots
