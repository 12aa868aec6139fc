"""A sheet folder that hangs: told as what it is, and nobody waits for it twice."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.errors import SourceOffline
from datalake_syncd.core.model import Blob, FileEntry, FileStat, Status, Step
from datalake_syncd.steps import service as limits
from datalake_syncd.steps.adoption import recognise_attached_sheet
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sheets.attach import attach_sheet
from datalake_syncd.steps.sheets.lonely import LonelySheets
from datalake_syncd.steps.sheets.watch import SheetWatch
from tests.steps.service import service_of

Hung = tuple[Service, list[Run]]


@pytest.fixture
def hung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hung]:
    """Two instruments whose common sheet folder hangs in a call that was given up already."""
    monkeypatch.setattr(limits, "PATIENCE", 0.3)
    service = service_of(tmp_path, "one", "two")
    runs = [
        service.ledger.runs.add(name, "run", prefix=f"{name}/run", now=1.0, reason="new")
        for name in ("one", "two")
    ]
    come_back = threading.Event()

    def hang(_tick: Callable[[], None]) -> None:
        come_back.wait(60)

    folder = service.config.instruments["one"].sample_sheets
    with pytest.raises(SourceOffline):
        service.sheet_patience(folder).call(hang)
    monkeypatch.setattr(limits, "PATIENCE", 60.0)
    yield service, runs
    come_back.set()


def expect_told_at_once(service: Service, run: Run, step: Callable[..., object]) -> None:
    context = service.context(run)
    began = time.monotonic()
    with pytest.raises(SourceOffline) as told:
        step(context)
    assert time.monotonic() - began < 5
    assert f"the sample sheet folder {context.instrument.sample_sheets} " in told.value.what


def test_attaching_fails_at_once_for_each_instrument_of_the_folder(hung: Hung) -> None:
    service, runs = hung
    for run in runs:
        expect_told_at_once(service, run, attach_sheet)


def test_so_does_the_look_for_a_sheet_that_the_lake_has(hung: Hung) -> None:
    service, (run, _) = hung
    sheet = FileEntry("SampleSheet.csv", FileStat(3, 1, 2, 3, 4))
    service.ledger.files.begin_look(run.id)
    service.ledger.files.add_seen(run.id, [(sheet, None)])
    columns = {"done": Step.SETTLE, "status": Status.READY, "files": 1, "bytes": 3}
    run, _ = service.ledger.settle(run, [], columns, now=2.0, message="m")
    service.ledger.files.begin_listing(run.id)
    blob = Blob(f"{run.prefix}/SampleSheet.csv", 3, None, "e")
    service.ledger.files.add_listing(run.id, f"{run.prefix}/", [blob])
    expect_told_at_once(service, run, recognise_attached_sheet)


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def test_and_the_scans_of_the_folder(hung: Hung) -> None:
    service, _ = hung
    log = Kept()
    service.logger.addHandler(log)
    folder = service.config.instruments["two"].sample_sheets
    began = time.monotonic()
    SheetWatch(service, "two").look(folder)
    LonelySheets(service, "two").look()
    assert time.monotonic() - began < 5
    service.logger.removeHandler(log)
    (told,) = [message for message in log.messages if "does not answer" in message]
    assert f"the sample sheet folder {folder} " in told
    assert service.ledger.desk.get(f"lonely-sheets:{folder}") is None


def test_the_source_is_not_asked_through_it(hung: Hung) -> None:
    service, (run, _) = hung
    assert service.context(run).patience.call(lambda _tick: 1) == 1
