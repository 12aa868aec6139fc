"""The scrub on a schedule stands back while runs are sent; which files have their turn."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

from datalake_syncd.adapters.ledger import Progress, Scrubbed, ScrubList
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps.scrub import passes
from datalake_syncd.steps.scrub.attendant import BESIDE_UPLOADS, Scrubber
from datalake_syncd.steps.scrub.notes import NOTE, Pass, last_pass
from tests.steps.service import service_of


def test_reading_waits_while_a_run_is_being_sent(tmp_path: Path) -> None:
    service = service_of(tmp_path, "miseq", wall=time.time)
    ledger, scrubber = service.ledger, Scrubber(service)
    scrubber.read_on(1000 * BESIDE_UPLOADS)  # nobody sends: no wait at all
    run = ledger.runs.add("miseq", "a", prefix="miseq-out/a", now=1.0, reason="")
    run = ledger.runs.set(run, done=Step.SETTLE, status=Status.RUNNING)
    ledger.desk.write_progress(run.id, Progress(1.0, 1, 2, 0, 0, 1, 1.0, None))
    waiting = threading.Thread(target=Scrubber(service).read_on, args=(1000 * BESIDE_UPLOADS,))
    waiting.start()
    waiting.join(1.5)
    assert waiting.is_alive()
    ledger.runs.set(ledger.runs.by_id(run.id), done=Step.TRANSFER)
    waiting.join(30)
    assert not waiting.is_alive()
    ledger.close()


def test_a_stop_ends_the_wait(tmp_path: Path) -> None:
    service = service_of(tmp_path, "miseq", wall=time.time)
    run = service.ledger.runs.add("miseq", "a", prefix="miseq-out/a", now=1.0, reason="")
    run = service.ledger.runs.set(run, done=Step.SETTLE, status=Status.RUNNING)
    service.ledger.desk.write_progress(run.id, Progress(1.0, 1, 2, 0, 0, 1, 1.0, None))
    service.stopping.set()
    Scrubber(service).read_on(1000 * BESIDE_UPLOADS)
    service.ledger.close()


def test_a_pass_without_runs_does_not_hide_what_the_last_one_found(tmp_path: Path) -> None:
    ledger = service_of(tmp_path, "miseq", wall=time.time).ledger
    passes.begin(ledger, "all", 1.0)
    passes.end(ledger, "all", 2.0, of_all=True)
    assert last_pass(ledger) is None
    found = Pass(3.0, runs=2, files=9, bytes=90, wrong=1)
    ledger.desk.put(f"{NOTE}all", json.dumps(asdict(found)))
    passes.end(ledger, "all", 4.0, of_all=True)
    passes.begin(ledger, "all", 5.0)
    assert passes.end(ledger, "all", 6.0, of_all=True).runs == 0
    assert last_pass(ledger) == replace(found, ended=4.0)
    ledger.close()


def chosen(files: ScrubList, sample: float, before: float, began: float) -> list[str]:
    files.choose(sample, before, began)
    return [one.path for one in files.chosen()]


def test_the_turns_of_files() -> None:
    with closing(ScrubList()) as files:
        files.add_wanted((name, 1, "m") for name in "abcdefgh")
        files.add_listed((name, 2 if name == "h" else 1) for name in "abcdefgh" if name != "g")
        files.add_known([
            Scrubbed("a", "m", 50.0, None), Scrubbed("b", "m", 40.0, None),
            Scrubbed("c", "m", 60.0, "bytes"), Scrubbed("d", "other", 99.0, None),
        ])  # fmt: skip
        assert [one.path for one in files.missing()] == ["g"]
        assert [one.path for one in files.other_size()] == ["h"]
        everything = chosen(files, 1.0, float("inf"), 100.0)
        # What was wrong, then what was never read of this content, then the oldest.
        assert everything[0] == "c"
        assert sorted(everything[1:4]) == ["d", "e", "f"]
        assert everything[4:] == ["b", "a"]
        assert chosen(files, 0.25, float("inf"), 100.0)[0] == "c"
        assert len(chosen(files, 0.25, float("inf"), 100.0)) == 2
        assert len(chosen(files, 0.001, float("inf"), 100.0)) == 1
        assert chosen(files, 1.0, 45.0, 100.0)[4:] == ["b"]
        # What this pass has read already is part of its share.
        assert "a" not in chosen(files, 1.0, float("inf"), 50.0)
        assert chosen(files, 0.125, float("inf"), 50.0) == []
