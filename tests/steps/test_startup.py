"""What a start takes back: notes of the process before that say nothing of this one."""

from __future__ import annotations

from pathlib import Path

from datalake_syncd.adapters.ledger import DaemonState
from datalake_syncd.adapters.pulse_file import NAME, read_pulse, write_pulse
from datalake_syncd.cli.health import judged
from datalake_syncd.core.incidents import Incident
from datalake_syncd.core.model import Status, Step
from datalake_syncd.signs import Signs, tell_hang
from datalake_syncd.steps import startup
from datalake_syncd.steps.mail.look import on_trial
from datalake_syncd.steps.notes import CONFIG_REFUSED, UPLOADS_PAUSED
from datalake_syncd.steps.overview.report import read_report
from tests.steps.service import service_of


def test_a_refused_configuration_is_none_after_a_start_with_a_good_one(tmp_path: Path) -> None:
    service = service_of(tmp_path, "m")
    service.ledger.desk.put(CONFIG_REFUSED, "line 3: wrong")
    startup.prepare(service)
    assert service.ledger.desk.get(CONFIG_REFUSED) is None
    service.ledger.close()


def test_nothing_stands_of_an_instrument_that_is_gone(tmp_path: Path) -> None:
    service = service_of(tmp_path, "m")
    service.trouble("scan/gone", "it failed", "look", "gone")
    service.trouble("scan/m", "it failed", "look", "m")
    service.trouble("log-copy", "its disk is full", "make room")
    startup.set_instruments(service)
    assert {one.key for one in service.ledger.desk.troubles()} == {"scan/m", "log-copy"}
    service.ledger.close()


def test_uploads_stay_paused_while_a_run_waits_for_the_lake(tmp_path: Path) -> None:
    service = service_of(tmp_path, "m")
    run = service.ledger.runs.add("m", "R", prefix="m/R", now=1.0, reason="new")
    run = service.ledger.runs.set(
        run, done=Step.SETTLE, status=Status.WAITING, not_before=2.0, next_step="renew the login"
    )
    service.ledger.desk.put(UPLOADS_PAUSED, "403")
    startup.prepare(service)
    assert service.ledger.desk.get(UPLOADS_PAUSED) == "403"
    # It waits for its sample sheet now, perhaps for days: that says nothing of the lake.
    service.ledger.runs.set(run, done=Step.VERIFY, next_step=None)
    startup.prepare(service)
    assert service.ledger.desk.get(UPLOADS_PAUSED) is None
    service.ledger.close()


def test_a_stale_run_that_is_tried_again_is_not_resolved(tmp_path: Path) -> None:
    service = service_of(tmp_path, "m")
    run = service.ledger.runs.add("m", "R", prefix="m/R", now=1.0, reason="new")
    run = service.ledger.runs.set(run, done=Step.SETTLE, status=Status.RUNNING)
    report = read_report(service.ledger, 2.0, daemon=DaemonState(running=True))
    told = [
        Incident(n, f"{kind}/m/R", run.id, "t", "m", "s", "settle", 1.0)
        for n, kind in enumerate(("run", "stale", "silent"))
    ]
    assert on_trial(report, told) == {"run/m/R", "stale/m/R"}
    service.ledger.close()


def test_what_hung_in_the_process_before_does_not_hang_in_this_one(tmp_path: Path) -> None:
    service = service_of(tmp_path, "m")
    state = service.config.daemon.state_dir
    assert write_pulse(state, service.wall() - 2, ["worker-0"])
    tell_hang(service, "a part of the service hangs: worker-0", "restart it")
    Signs(service, lambda: ["its first scan"]).begin()
    seen = read_pulse(state)
    assert seen is not None
    assert judged(seen, service.wall()) == (True, "The daemon runs, and every part of it gets on.")
    assert not service.ledger.desk.troubles()
    service.ledger.close()


def test_a_full_disk_does_not_make_a_service_look_dead(tmp_path: Path) -> None:
    assert write_pulse(tmp_path, 1000.0, [])
    (tmp_path / f"{NAME}.new").mkdir()  # as a full disk: nothing new can be written
    assert write_pulse(tmp_path, 2000.0, ["worker-0"])
    seen = read_pulse(tmp_path)
    assert seen is not None
    assert (seen.at, seen.late) == (2000.0, ("worker-0",))
