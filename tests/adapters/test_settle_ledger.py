"""Settling is one transaction: an old look that wakes up late can't shrink the manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Ledger, StaleTransition
from datalake_syncd.core.errors import SourceChanged
from datalake_syncd.core.model import FileEntry, FileStat, Status, Step

STAT = FileStat(10, 1, 2, 3, 4)
COLUMNS = {"done": Step.SETTLE, "status": Status.READY, "files": 3, "bytes": 30}


def seen(ledger: Ledger, run_id: int, *paths: str) -> None:
    ledger.files.begin_look(run_id)
    ledger.files.add_seen(run_id, [(FileEntry(path, STAT), None) for path in paths])


def test_a_look_of_a_run_that_moved_on_changes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, writable=True)
    old = ledger.runs.add("miseq", "run", prefix="p", now=1.0, reason="new")
    seen(ledger, old.id, "a", "b", "c")
    ledger.settle(old, [], dict(COLUMNS), now=2.0, message="m")
    seen(ledger, old.id, "a")
    with pytest.raises(StaleTransition):
        ledger.settle(old, [], {**COLUMNS, "files": 1, "bytes": 10}, now=3.0, message="late")
    assert ledger.files.totals(old.id) == (3, 30)


def test_rows_that_are_not_the_look_settle_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, writable=True)
    run = ledger.runs.add("miseq", "run", prefix="p", now=1.0, reason="new")
    seen(ledger, run.id, "a", "b")
    with pytest.raises(SourceChanged):
        ledger.settle(run, [], dict(COLUMNS), now=2.0, message="m")
    assert ledger.runs.by_id(run.id) == run
    assert ledger.files.totals(run.id) == (0, 0)


def test_lost_files_and_the_move_are_one_record(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, writable=True)
    run = ledger.runs.add("miseq", "run", prefix="p", now=1.0, reason="new")
    seen(ledger, run.id, "a", "b", "c")
    run, lost = ledger.settle(run, [], dict(COLUMNS), now=2.0, message="m")
    assert lost == []
    seen(ledger, run.id, "a")
    _, lost = ledger.settle(run, [], {**COLUMNS, "files": 1, "bytes": 10}, now=3.0, message="m")
    assert lost == ["b", "c"]
    assert [e.event for e in ledger.runs.history(run.id)][-2:] == ["run.settled", "run.files-lost"]
