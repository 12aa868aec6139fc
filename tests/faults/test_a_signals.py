"""Told to stop, or to read the configuration again, in the middle of everything."""

from __future__ import annotations

import signal
from pathlib import Path

from datalake_syncd.adapters.failpoints import FailPoint
from tests.crash.conftest import scene, undisturbed
from tests.crash.scene import Picture, Scene
from tests.crash.test_failpoints import ROAD
from tests.e2e.lab import Daemon, Lab
from tests.e2e.runs import expect_published, miseq, row_of, write
from tests.manager import Manager

__all__ = ["scene", "undisturbed"]

#: One in each step, where most is at stake.
STATES = [
    FailPoint.EFFECT_SETTLE,
    FailPoint.AZCOPY_STARTED,
    FailPoint.INSTRUMENT_SHEET_KEPT,
    FailPoint.MANIFEST_WRITTEN,
    FailPoint.PRUNE_RENAMED,
    FailPoint.TRASH_FILE_UNLINKED,
]


def waits(scene: Scene, daemon: Daemon, point: FailPoint) -> None:
    scene.lab.wait_for(lambda: f"waits at {point}\n" in daemon.log.read_text(), told=f"{point}")


def test_a11_a7_g7_a_stop_in_each_step_ends_in_order_and_costs_no_attempt(
    scene: Scene, undisturbed: Picture, tmp_path: Path
) -> None:
    """The thread that works is held up there until the service knows that it has to stop."""
    for point in STATES:
        (tmp_path / point).touch()
        with (
            Manager(tmp_path) as manager,
            scene.lab.daemon(NOTIFY_SOCKET=manager.address, SYNCD_PAUSE=str(tmp_path)) as daemon,
        ):
            waits(scene, daemon, point)
            daemon.process.send_signal(signal.SIGTERM)
            scene.lab.wait_for(lambda: manager.told("STOPPING"), told=f"stop at {point}")
            (tmp_path / point).unlink()
            assert daemon.process.wait(60) == 0, f"stopped at {point}"
        (tmp_path / "notify").unlink()
        scene.assert_law()
        assert not daemon.lines("service.thread-left")
        row = scene.lab.run()
        assert row is None or (row.attempts, row.status.value == "running") == (0, False), point
    scene.once()
    scene.picture().expect_like(undisturbed)
    assert "run.given-back" not in scene.lab.events(), "each stop wrote down what it had"


def test_a12_a_reload_at_every_point_of_the_road_disturbs_nothing(
    scene: Scene, undisturbed: Picture, tmp_path: Path
) -> None:
    """Good ones and refused ones in turn, while the run is held up in the middle of its step."""
    good = scene.lab.config.read_text()
    for point in ROAD:
        (tmp_path / point).touch()
    with scene.lab.daemon(SYNCD_PAUSE=str(tmp_path)) as daemon:
        for number, point in enumerate(ROAD):
            waits(scene, daemon, point)
            scene.lab.config.write_text(good + "nonsense = 1\n" * (number % 2))
            daemon.process.send_signal(signal.SIGHUP)
            event = "config.refused" if number % 2 else "config.taken"
            so_many = number // 2 + 1
            scene.lab.wait_for(
                lambda event=event, so_many=so_many: len(daemon.lines(event)) == so_many,  # type: ignore[misc]
                told=f"the reload at {point}",
            )
            (tmp_path / point).unlink()
        scene.lab.wait_for(lambda: scene.lab.the_run().emptied_at is not None)
        assert len(daemon.lines("transfer.started")) == 1
    assert daemon.process.returncode == 0
    scene.assert_law()
    scene.picture().expect_like(undisturbed)
    assert scene.lab.the_run().attempts == 0


def test_a13_a_bug_in_a_worker_stops_its_run_alone_and_keeps_its_trace(lab: Lab) -> None:
    flag = lab.root / "bug"
    flag.touch()
    hit, other = miseq(1), miseq(2)
    write(lab, hit)
    with lab.daemon(SYNCD_BUG=f"{FailPoint.EFFECT_VERIFY}={flag}") as daemon:
        lab.wait_for(lambda: lab.run(hit.name) and row_of(lab, hit).status == "blocked")
        row = row_of(lab, hit)
        assert (row.done, "error in datalake-syncd itself" in (row.reason or "")) == (
            "transfer", True,
        )  # fmt: skip
        assert "report it" in (row.next_step or "")
        assert "a test wants a bug" in lab.call("why", hit.name, expect=1).stdout
        (alarm,) = daemon.lines("run.blocked")
        assert alarm["level"] == "ERROR"
        assert not any(name.endswith(".sync") for name in lab.blobs())
        flag.unlink()
        write(lab, other)
        lab.wait_published(other.name)
        lab.call("health")  # the thread that met it works on
        assert row_of(lab, hit).status == "blocked", "it is not tried again by itself"
        lab.call("retry", hit.name)
        lab.wait_published(hit.name)
    expect_published(lab, hit)
    expect_published(lab, other)


def test_a13_a_bug_in_a_scan_stops_no_other_scan(lab: Lab) -> None:
    flag = lab.root / "bug"
    flag.touch()
    run = miseq(1)
    write(lab, run)
    with lab.daemon(SYNCD_BUG=f"{FailPoint.BEFORE_SETTLE}={flag}") as daemon:
        lab.wait_for(lambda: daemon.lines("scan.bug"), told="scan.bug")
        lab.wait_for(lambda: row_of(lab, run).status == "blocked", told="blocked")
        flag.unlink()
        lab.wait_published(run.name)
    expect_published(lab, run)
