"""Clocks that jump, lie or are not set yet: this machine's, the instrument's, the lake's."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, tree_of
from tests.e2e.runs import expect_published, folder_of, miseq, row_of, write
from tests.faults.wall_clock import WallClock, wall_clock
from tests.servers import Azurite, Certificate

DAY = 86_400


@pytest.fixture
def clock(lab: Lab, tmp_path: Path) -> WallClock:
    """The wall clock of the service; its login has no time of its own."""
    clock = wall_clock(tmp_path)
    lab.environment.update(clock.environment)
    lab.secret.write_text(lab.azurite.sas(lab.container))
    lab.configure(lake=['auth = "sas"'])
    return clock


def test_k1_a_jump_while_the_service_runs_stops_no_run_and_frees_no_disk(
    lab: Lab, clock: WallClock
) -> None:
    """Forward by half a year: all keeps are over, says the clock. Back by as much as well."""
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "14d"', 'trash = "3d"'])
    early, late = miseq(1), miseq(2)
    write(lab, early)
    with lab.daemon() as daemon:
        lab.wait_published(early.name)
        clock.be_off(180 * DAY)
        # What rests is asked again by the wall clock, and that is ahead now.
        lab.wait_for(
            lambda: "steady clock" in (row_of(lab, early).reason or ""), told="it is asked again"
        )
        clock.be_off(-180 * DAY)
        write(lab, late)
        lab.wait_published(late.name)
        assert not daemon.lines("prune.planned")
    for run in (early, late):
        assert tree_of(folder_of(lab, run)) == run.files()
        lab.expect_in_lake(run.files(), f"miseq-out/{run.name}")
        assert row_of(lab, run).attempts == 0


def test_k1_a_clock_that_was_wrong_before_the_restart_cuts_no_keep_short(
    lab: Lab, clock: WallClock
) -> None:
    """It was a month behind when the run was published, say before the first NTP answer."""
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "14d"', 'trash = "3d"'])
    run = miseq(1)
    write(lab, run)
    clock.be_off(-30 * DAY)
    lab.once()
    row = row_of(lab, run)
    assert row.published_at is not None
    assert time.time() - row.published_at > 29 * DAY
    clock.be_off(0)
    lines = lab.once()
    assert tree_of(folder_of(lab, run)) == run.files()
    assert row_of(lab, run).pruned_at is None
    (refusal,) = [line for line in lines if line["event"] == "prune.refused"]
    assert "by the clock of the lake" in refusal["message"]
    assert "nothing" in lab.call("prune", run.name, "--dry-run", expect=1).stdout


def test_k2_times_of_files_in_the_future_keep_nothing_back(lab: Lab) -> None:
    """The instrument's clock is a year ahead; and one file is from before its age of computers."""
    run = miseq(1)
    write(lab, run)
    ahead = time.time() + 365 * DAY
    for path in folder_of(lab, run).rglob("*"):
        os.utime(path, (ahead, ahead))
    os.utime(folder_of(lab, run) / "RunInfo.xml", (0, 0))
    lab.once()
    expect_published(lab, run)


def test_k3_a_login_that_is_not_good_yet_is_no_attempt_and_names_the_clock(lab: Lab) -> None:
    """Signed by a clock that is ahead, or asked by one that is behind."""
    run = miseq(1)
    write(lab, run)
    day = dt.timedelta(days=1)
    lab.secret.write_text(lab.azurite.sas(lab.container, begins=day, lifetime=2 * day))
    lab.configure(lake=['auth = "sas"'])
    lab.once(expect=1)
    row = row_of(lab, run)
    assert (row.status, row.attempts, row.published_at) == ("waiting", 0, None)
    assert "clock is right" in (row.next_step or "")
    assert "is not good yet" in lab.call("doctor", expect=1).stdout
    lab.secret.write_text(lab.azurite.sas(lab.container))
    lab.call("retry", run.name)
    lab.once()
    expect_published(lab, run)


def test_k3_a_clock_before_the_certificates_of_the_lake_is_named(
    lab: Lab, tmp_path: Path, azurite_tls: Azurite, certificate: Certificate
) -> None:
    """The machine boots in the year of its battery; an hour later it knows the time."""
    clock = wall_clock(tmp_path)
    container = f"late-{lab.container}"
    azurite_tls.make_container(container)
    lab.azurite, lab.container = azurite_tls, container
    lab.secret.write_text(azurite_tls.connection_string)
    lab.environment.update(
        clock.environment, SSL_CERT_FILE=str(certificate.path),
        REQUESTS_CA_BUNDLE=str(certificate.path),
    )  # fmt: skip
    lab.configure()
    run = miseq(1)
    write(lab, run)
    clock.be_off(-3 * 365 * DAY)
    with lab.daemon():
        lab.wait_for(
            lambda: lab.run(run.name) and "clock" in (row_of(lab, run).reason or ""), told="clock"
        )
        row = row_of(lab, run)
        assert row.status == "waiting"
        assert row.published_at is None
        clock.be_off(0)
        lab.call("retry", run.name)
        lab.wait_published(run.name)
    expect_published(lab, run)
