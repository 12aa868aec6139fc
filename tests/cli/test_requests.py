"""retry, hold, release, undo, prune: by the daemon when one runs, else done right here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from datalake_syncd.adapters.ledger import DaemonLock, Ledger
from datalake_syncd.cli import request
from datalake_syncd.core.model import Status, Step
from tests.cli.conftest import RUN, Place


@contextmanager
def daemon(place: Place, answer: str | None = "done", *, succeeded: bool = True) -> Iterator[None]:
    """Something that holds the lock and answers requests, as the daemon does; None: it hangs."""
    stop = threading.Event()
    lock = DaemonLock(place.state)

    def serve() -> None:
        ledger = Ledger(place.state, writable=True)
        while not stop.wait(0.05):
            for one in ledger.desk.open_requests():
                if answer is not None:
                    text = f"{answer}: {one.action} {one.argument}"
                    ledger.desk.answer(one.id, succeeded=succeeded, answer=text, now=time.time())
        ledger.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        lock.release()


def test_without_a_daemon_it_is_done_here(place: Place) -> None:
    run = place.published()
    assert place.call("hold", RUN, "--reason", "Anna\x1b looks").code == 0
    with place.ledger() as ledger:
        assert ledger.runs.by_id(run.id).hold_reason == "Anna\\x1b looks"
        assert "person.hold" in [event.event for event in ledger.runs.history(run.id)]
        assert ledger.desk.open_requests() == []
    told = place.call("release", RUN)
    assert (told.code, told.err) == (0, "")
    assert "is no longer held" in told.out
    assert "No daemon runs now" in told.out, "nothing goes on by itself"
    with place.ledger() as ledger:
        assert ledger.runs.by_id(run.id).hold_reason is None


def test_retry_of_what_died_here(place: Place) -> None:
    """Nobody runs, so a running row is one that was left behind."""
    run = place.add(done=Step.SETTLE, status=Status.RUNNING)
    assert place.call("retry", RUN).code == 0
    with place.ledger() as ledger:
        assert ledger.runs.by_id(run.id).status is Status.READY


def test_a_refusal_is_one_with_the_command_to_type(place: Place) -> None:
    place.published()
    told = place.call("retry", RUN)
    assert told.code == 1
    assert "there is nothing to retry" in told.err
    assert f"datalake-syncd why nextseq/{RUN}" in told.err
    assert told.out == ""
    told = place.call("undo", RUN)
    assert told.code == 1
    assert "restore" in told.err


def test_hold_needs_a_reason(place: Place) -> None:
    place.published()
    assert place.call("hold", RUN).code == 2
    assert place.call("hold", RUN, "--reason", "  ").code == 2


def test_a_running_daemon_does_it(place: Place) -> None:
    run = place.published()
    with daemon(place):
        told = place.call("hold", RUN, "--reason", "because")
    assert (told.code, told.out) == (0, "done: hold because\n")
    with place.ledger() as ledger:
        assert ledger.runs.by_id(run.id).hold_reason is None, "it was not ours to do"


def test_a_running_daemon_refuses(place: Place) -> None:
    place.published()
    with daemon(place, "no\nwhy not\ndatalake-syncd retry RUN", succeeded=False):
        told = place.call("retry", RUN)
    assert told.code == 1
    assert told.err.startswith("Error: no\n  why:  why not\n  next: ")


def test_a_daemon_that_does_not_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "PATIENCE", 0.5)
    run = place.published()
    with daemon(place, None):
        told = place.call("release", RUN)
    assert told.code == 1
    assert "has not answered" in told.err
    assert "stays in the ledger" in told.err
    with place.ledger() as ledger:
        (left,) = ledger.desk.open_requests()
        assert (left.action, left.run_id) == ("release", run.id)


def test_prune_waits_for_a_daemon_that_is_at_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "PATIENCE", 0.3)
    run = place.published(status=Status.RUNNING)
    with daemon(place, None):
        answered = threading.Timer(1.5, lambda: _answer(place))
        answered.start()
        told = place.call("prune", RUN)
        answered.join()
    assert run.status is Status.RUNNING
    assert (told.code, told.out) == (0, "in the trash\n")


def _answer(place: Place) -> None:
    ledger = Ledger(place.state, writable=True)
    until = time.monotonic() + 60
    while not (asked := ledger.desk.open_requests()) and time.monotonic() < until:
        time.sleep(0.05)
    (one,) = asked
    ledger.desk.answer(one.id, succeeded=True, answer="in the trash", now=time.time())
    ledger.close()


def test_an_unknown_run_leaves_no_request(place: Place) -> None:
    assert place.call("retry", "nothing").code == 2
    with place.ledger() as ledger:
        assert ledger.desk.open_requests() == []


def test_prune_refused_by_a_gate_touches_nothing(place: Place) -> None:
    (place.source / RUN).mkdir()
    place.published()
    told = place.call("prune", RUN)
    assert told.code == 1
    assert "not pruned" in told.err
    assert (place.source / RUN).is_dir()


def test_prune_without_a_run_takes_only_what_may_go(place: Place) -> None:
    place.configure("enabled = true", 'keep = "1h"')
    place.published()
    before = place.dump()
    told = place.call("prune")
    assert told.code == 0
    assert "No run may go now" in told.out
    assert place.dump() == before


def test_dry_run_says_why_not_and_changes_nothing(place: Place) -> None:
    place.configure("enabled = true", 'keep = "1h"')
    place.published()
    before = place.dump()
    told = place.call("prune", "--dry-run", RUN)
    assert told.code == 1
    assert "nothing would go" in told.out
    assert "kept long enough" in told.out
    document = place.call("prune", "--dry-run", "--json").json
    (one,) = document["runs"]
    assert (one["would_prune"], one["items"], document["files"]) == (False, [], 0)
    assert len(one["reasons"]) == 1
    assert place.dump() == before


def test_dry_run_without_prunable_instruments(place: Place) -> None:
    place.published()
    told = place.call("prune", "--dry-run")
    assert told.code == 0
    assert "No published run" in told.out


def test_another_disk_at_the_source_is_a_reason_not_to(place: Place) -> None:
    place.configure("enabled = true", 'keep = "1s"')
    (place.source / RUN).mkdir()
    place.published()
    with place.ledger() as ledger:
        ledger.desk.update_instrument("nextseq", device=place.source.stat().st_dev + 1)
    told = place.call("prune", "--dry-run", RUN)
    assert told.code == 1
    assert "file system: found another one than at the last scan" in told.out


def test_a_lake_that_does_not_answer_is_a_reason_not_to(place: Place) -> None:
    place.configure("enabled = true", 'keep = "1s"')
    (place.source / RUN).mkdir()
    place.published()
    told = place.call("prune", "--dry-run", RUN)
    assert told.code == 1
    assert "could not be reached" in told.out
