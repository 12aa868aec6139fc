"""Clocks that jump, lie or are not set yet: this machine's, the instrument's, the lake's."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

from datalake_syncd.steps.service import WallClock as ServiceClock
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


def forget_the_reading(lab: Lab) -> None:
    """As after a start of the machine: only the lake's clock can tell then."""
    with contextlib.closing(sqlite3.connect(lab.state / "ledger.sqlite")) as ledger, ledger:
        assert ledger.execute("DELETE FROM meta WHERE key='clock'").rowcount == 1


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
    forget_the_reading(lab)
    lines = lab.once()
    assert tree_of(folder_of(lab, run)) == run.files()
    assert row_of(lab, run).pruned_at is None
    (refusal,) = [line for line in lines if line["event"] == "prune.refused"]
    assert "by the clock of the lake" in refusal["message"]
    assert "nothing" in lab.call("prune", run.name, "--dry-run", expect=1).stdout


PROJECT = "prot0001"


@pytest.fixture
def project(lab: Lab) -> Path:
    lab.kinds = {"prot": "proteomics"}
    lab.__post_init__()
    lab.secret.write_text(lab.azurite.sas(lab.container))
    lab.configure(lake=['auth = "sas"'])
    folder = lab.source("prot") / PROJECT
    folder.mkdir()
    (folder / "a.raw").write_bytes(b"first")
    return folder


@pytest.mark.parametrize("machine", ["went on", "was started again"])
def test_k1_a_clock_that_was_wrong_before_the_restart_cuts_no_keep_of_a_data_set_short(
    lab: Lab, clock: WallClock, project: Path, machine: str
) -> None:
    prune = ["enabled = true", 'keep = "14d"', 'trash = "3d"']
    lab.configure(instruments__prot=['quiet = "0.2s"'], instruments__prot__prune=prune)
    clock.be_off(-30 * DAY)
    lab.once()
    time.sleep(0.3)
    lab.once()
    assert lab.the_run(PROJECT, "prot").published_at is not None
    clock.be_off(0)
    if machine == "was started again":
        forget_the_reading(lab)
    lines = lab.once()
    assert (project / "a.raw").exists()
    assert lab.the_run(PROJECT, "prot").trash is None
    told = [line["message"] for line in lines if line["event"] in ("prune.refused", "clock.jumped")]
    assert len(told) == 1
    words = "by the clock of the lake" if "started" in machine else "set forward by 30 d"
    assert words in told[0]
    if machine == "was started again":
        dry = lab.call("prune", PROJECT, "--dry-run", expect=1).stdout
        assert "by the clock of the lake" in dry


def test_k1_a_clock_that_was_wrong_before_the_restart_makes_no_file_old_enough(
    lab: Lab, clock: WallClock, project: Path
) -> None:
    """It was a month behind at the first look; a file is being written all the time."""
    lab.configure(instruments__prot=['quiet = "24h"'])
    clock.be_off(-30 * DAY)
    lab.once()
    clock.be_off(0)
    (jumped,) = [line for line in lab.once() if line["event"] == "clock.jumped"]
    assert "the wall clock was set forward by 30 d" in jumped["message"]
    assert not [line for line in lab.once() if line["event"] == "clock.jumped"], "told once"
    assert not lab.blobs()
    assert lab.the_run(PROJECT, "prot").published_at is None


def test_k1_what_one_process_knows_of_the_clocks_the_next_one_takes_up() -> None:
    wall, steady = [1_000_000.0], [50.0]

    def start() -> ServiceClock:
        return ServiceClock(lambda: wall[0], lambda: steady[0])

    def later(seconds: float, moved: float = 0.0) -> None:
        steady[0] += seconds
        wall[0] += seconds + moved

    first = start()
    kept = first.reading()
    later(7 * DAY, moved=299.0)
    assert start().compare(kept) == 0.0, "less than five minutes in a week"
    later(60.0, moved=-600.0)
    second = start()
    assert (second.compare(kept), second.jumped()) == (-301.0, True)
    later(3000.0)
    third = start()
    assert (third.compare(second.reading()), third.jumped()) == (0.0, True), "within the hour"
    later(601.0)
    assert not third.jumped()
    assert start().compare(None) == 0.0, "the first process has nothing to compare"


def test_k1_after_a_start_of_the_machine_its_clocks_tell_nothing() -> None:
    before = ServiceClock(lambda: 1000.0, lambda: 500.0).reading()
    after = ServiceClock(lambda: 9_999_999.0, lambda: 10.0)
    assert after.compare(before) == 0.0
    told = {**json.loads(before), "boot": "another", "since_boot": 1.0}
    assert after.compare(json.dumps(told)) == 0.0
    assert after.compare(json.dumps({**told, "boot": json.loads(before)["boot"]})) > 9_000_000


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
