"""Looks at runs that wait: one that fails costs no walk at every scan, and tells nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import SourceOffline
from datalake_syncd.core.staleness import probe_interval
from datalake_syncd.steps.growth_probe import FAILED, PROBE, looked, probe
from datalake_syncd.steps.service import Service
from tests.steps.service import service_of

PATIENCE = Patience("x", 10.0)


class Clock:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def start(tmp_path: Path) -> tuple[Service, Clock, Run]:
    clock = Clock()
    service = service_of(tmp_path, "one", wall=clock, daemon='stale_after = "24h"')
    folder = tmp_path / "one" / "run"
    folder.mkdir()
    (folder / "a").write_bytes(b"a")
    run = service.ledger.runs.add("one", "run", prefix="one/run", now=1.0, reason="new")
    return service, clock, probe(service, run, PATIENCE)


def test_a_failed_look_is_kept_with_its_time_and_forgets_nothing(tmp_path: Path) -> None:
    service, clock, first = start(tmp_path)
    interval = probe_interval(service.config.daemon.stale_after)
    clock.now += interval
    come_back = threading.Event()
    hangs = Patience("a share", 0.2)
    with pytest.raises(SourceOffline):
        hangs.call(lambda _tick: come_back.wait(60))
    failed = probe(service, first, hangs)  # SourceOffline, as for a folder that gives EIO
    come_back.set()
    assert failed.observed[FAILED] == clock.now
    assert failed.observed[PROBE] == first.observed[PROBE]
    assert not looked(first, failed)
    # Not walked again before its time, not even to be sure of what is to be told.
    clock.now += interval - 1
    assert probe(service, failed, PATIENCE) == failed
    assert probe(service, failed, PATIENCE, now_at_once=True) == failed
    clock.now += 1
    again = probe(service, failed, PATIENCE)
    assert FAILED not in again.observed
    assert again.observed[PROBE]["at"] == clock.now
    assert again.observed[PROBE]["since"] == first.observed[PROBE]["since"]
    assert looked(failed, again)
    # A clock that was set back does not put it off for ever.
    clock.now -= 5000.0
    back = service.ledger.runs.set(again, observed={**again.observed, FAILED: clock.now + 1})
    assert looked(again, probe(service, back, PATIENCE))
