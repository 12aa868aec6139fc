"""A new configuration that comes in at a bad moment: in mid-scan, or on a full disk.

The daemon runs in this process, so that a test can hold one of its threads at a chosen place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.daemon import Daemon
from datalake_syncd.session import load_config
from datalake_syncd.steps import startup
from datalake_syncd.steps.service import WallClock
from tests.e2e.lab import Lab
from tests.e2e.mounts import fill, tmpfs
from tests.e2e.runs import miseq, write


@dataclass
class Gate:
    """A clock at which the watcher ``watch-miseq`` waits until the test lets it go on."""

    when: Callable[[], bool] = lambda: True
    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> float:
        ours = threading.current_thread().name == "watch-miseq"
        if ours and not self.reached.is_set() and self.when():
            self.reached.set()
            assert self.open.wait(60)
        return time.monotonic()


@dataclass
class Here:
    """A daemon in this process; ``said`` are the events of its log with their levels."""

    lab: Lab
    daemon: Daemon
    said: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.daemon.service.log = lambda level, event, *_, **__: self.said.append(  # type: ignore[method-assign]
            (level, event)
        )

    @property
    def ledger(self) -> Ledger:
        return self.daemon.service.ledger

    def configured(self) -> set[str]:
        return {row.name for row in self.ledger.desk.instruments() if row.configured}

    def watched(self) -> set[str]:
        return set(self.daemon._watchers)

    def reload(self) -> None:
        self.daemon._reload.set()
        self.daemon._beat()


@pytest.fixture
def here(lab: Lab) -> Iterator[Here]:
    lab.kinds = {"miseq": "miseq"}
    lab.configure()
    config = load_config(lab.config)
    lab.state.mkdir()
    with tmpfs(lab.state, "16m"):
        ledger = Ledger(lab.state, writable=True)
        made = Here(lab, Daemon(lab.config, config, ledger, logging.getLogger("tests.e2e")))
        try:
            yield made
        finally:
            (lab.state / "filler").unlink(missing_ok=True)
            made.daemon.service.log = lambda *_, **__: None  # type: ignore[method-assign]
            made.daemon.stop()
            ledger.close()


@pytest.mark.root
@pytest.mark.parametrize("place", ["between two runs", "in a visit"])
def test_i4_an_instrument_that_is_removed_in_mid_scan_leaves_no_alarm(
    here: Here, place: str
) -> None:
    """What the scan stumbles over then is no bug: nobody could end an alarm about it."""
    lab, daemon, gate = here.lab, here.daemon, Gate()
    write(lab, miseq(1))
    if place == "in a visit":
        gate.when = lambda: bool(here.ledger.runs.all("miseq"))
        daemon.service.clock = WallClock(time.time, gate)
    else:
        daemon.service.monotonic = gate
    daemon._start_watchers()
    ((_, thread),) = daemon._watchers.values()
    assert gate.reached.wait(30)
    lab.kinds = {"nextseq": "nextseq500"}
    lab.configure()
    here.reload()
    assert here.watched() == here.configured() == {"nextseq"}
    gate.open.set()
    thread.join(30)
    assert not thread.is_alive()
    assert here.ledger.desk.troubles() == []
    assert [event for level, event in here.said if level >= logging.ERROR] == []
    for run in here.ledger.runs.all("miseq"):
        assert run.status != "blocked", run.reason


@pytest.mark.root
def test_b1_a_reload_on_a_full_disk_is_taken_as_a_whole_once_there_is_room(here: Here) -> None:
    """Half of it would be an instrument in force that nobody watches."""
    lab, daemon = here.lab, here.daemon
    startup.set_instruments(daemon.service)
    daemon._start_watchers()
    lab.wait_for(lambda: all(one.looked.is_set() for one, _ in daemon._watchers.values()))
    fill(lab.state / "filler")
    lab.kinds = {"nextseq": "nextseq500"}
    lab.configure()
    here.reload()
    daemon._beat()
    assert here.watched() == here.configured() == set(daemon.service.config.instruments)
    assert here.watched() == {"miseq"}
    assert (logging.ERROR, "ledger.full") in here.said
    assert "config.taken" not in [event for _, event in here.said]

    (lab.state / "filler").unlink()
    daemon._beat()
    assert here.watched() == here.configured() == set(daemon.service.config.instruments)
    assert here.watched() == {"nextseq"}
    assert [event for _, event in here.said].count("config.taken") == 1


@pytest.mark.root
def test_what_was_seen_of_a_source_is_not_said_of_another_one(here: Here) -> None:
    """After a reload with another source the service is ready only when that one was looked at."""
    lab, service = here.lab, here.daemon.service
    startup.set_instruments(service)
    here.daemon._start_watchers()
    lab.wait_for(lambda: service.was_asked("miseq"))
    other = lab.root / "other"
    other.mkdir()
    lab.configure(instruments__miseq=[f'source = "{other}"'])
    with here.ledger.database._lock:  # no scan gets anywhere meanwhile
        here.reload()
        assert service.config.instruments["miseq"].source == other
        assert not service.was_asked("miseq")
    lab.wait_for(lambda: service.was_asked("miseq"))
