"""The scans of a sample sheet folder: what they tell, once, and what they must never hold up."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.logs import _EXTRA  # type: ignore[attr-defined]
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.sheets import Comparison
from datalake_syncd.core.sheets.likeness import RunNames
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sheets import near
from datalake_syncd.steps.sheets.attach import UNUSABLE, is_told_unusable
from datalake_syncd.steps.sheets.files import find_sheet, list_sheets
from datalake_syncd.steps.sheets.lonely import LonelySheets
from datalake_syncd.steps.sheets.near import look_alikes
from datalake_syncd.steps.sheets.watch import SheetWatch
from tests.e2e.lab import Lab
from tests.e2e.runs import expect_published, miseq, nextseq, row_of, write
from tests.steps.service import service_of

SHEET = b"[Data]\nSample_ID\nS1\n"
HOUR = 3600.0
LONG = "230101_M00001_{:04d}_000000000-AAAAA"


def told(log: list[dict[str, Any]], *events: str) -> list[dict[str, Any]]:
    return [line for line in log if line["event"] in events]


# --- one process, without a lake -------------------------------------------------------------


class Clock:
    """Wall clock and monotonic clock in one, turned by hand."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Log(logging.Handler):
    """Keeps what is logged, by event."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def messages(self, *words: str) -> list[str]:
        texts = [record.getMessage() for record in self.records]
        return [text for text in texts if all(word in text for word in words)]

    def facts(self) -> list[tuple[str, dict[str, Any]]]:
        """Event and fields of each line."""
        return [record.__dict__[_EXTRA] for record in self.records]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Service:
    return service_of(tmp_path, "one", "two", wall=clock, daemon='stale_after = "48h"')


@pytest.fixture
def log(service: Service) -> Iterator[Log]:
    log = Log()
    for logger in (service.logger, logging.getLogger(near.__name__)):
        logger.addHandler(log)
    yield log
    for logger in (service.logger, logging.getLogger(near.__name__)):
        logger.removeHandler(log)


def folder_of(service: Service) -> Path:
    folder = service.config.instruments["one"].sample_sheets
    assert folder is not None
    return folder


def add(service: Service, number: int, instrument: str = "one", **columns: Any) -> Run:
    """A published run."""
    columns = {"done": Step.PUBLISH, "status": Status.FINISHED, "tree_digest": "d", **columns}
    name = LONG.format(number)
    return service.ledger.runs.add(
        instrument, name, prefix=f"{instrument}/{name}", now=1.0, reason="", **columns
    )


@pytest.fixture
def odd_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """One name that nobody can compare."""
    like = RunNames.like

    def fail(self: RunNames, file: str) -> Any:
        if file.startswith("odd"):
            raise IndexError("string index out of range")
        return like(self, file)

    monkeypatch.setattr(RunNames, "like", fail)
    monkeypatch.setattr(near, "_failed", set())


def test_an_error_in_the_advice_holds_up_nothing_and_is_told_once(
    service: Service, log: Log, odd_name: None
) -> None:
    run, folder = add(service, 1), folder_of(service)
    for name in ("odd.csv", f"Copy of {run.name}.csv"):
        (folder / name).write_bytes(SHEET)
    watch, lonely = SheetWatch(service, "one"), LonelySheets(service, "one")
    for _ in range(3):
        watch.look(folder)
        lonely.look()
        assert look_alikes(run, ["odd.csv"], [run.name]) == ""
    (record,) = [one for one in log.records if one.exc_info]
    assert record.levelno == logging.WARNING
    assert "IndexError" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[2] is not None, "it has its trace"
    # All that can be compared is.
    assert len(log.messages("what looks like it", f"Copy of {run.name}.csv")) == 1
    # Another instrument's is another matter, and so is another error.
    SheetWatch(service, "two").look(folder)
    assert len([one for one in log.records if one.exc_info]) == 2


def test_names_are_compared_outside_the_patience_and_with_signs_of_life(
    service: Service, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes long in this process says nothing of the share."""
    folder = folder_of(service)
    add(service, 1)
    for number in range(100, 140):
        (folder / f"{LONG.format(number)}.csv").write_bytes(SHEET)
    under: list[bool] = []
    beats: list[None] = []
    calls = 0
    call, look = type(service.sheet_patience(folder)).call, Comparison.look

    def counted(self: Any, work: Any) -> Any:
        nonlocal calls
        calls += 1
        try:
            return call(self, work)
        finally:
            calls -= 1

    def asked(self: Comparison, *args: Any) -> bool:
        under.append(calls > 0)
        return look(self, *args)

    monkeypatch.setattr(type(service.sheet_patience(folder)), "call", counted)
    monkeypatch.setattr(Comparison, "look", asked)
    monkeypatch.setattr(service.pulse, "beat", lambda: beats.append(None))
    LonelySheets(service, "one").look()
    SheetWatch(service, "one").look(folder)
    assert under == [False, False]
    assert len(beats) >= 80, "one for each file, in each of both"


def test_what_is_not_compared_in_time_has_its_turn_at_the_next_scan(
    service: Service, log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, runs = folder_of(service), [add(service, number) for number in range(10)]
    files = {run.name: f"Copy of {run.name}.csv" for run in runs}
    for name in (*files.values(), f"{LONG.format(9876)}.csv"):
        (folder / name).write_bytes(SHEET)
    like = RunNames.like

    def slow(self: RunNames, file: str) -> Any:
        clock.now += near.BUDGET / 4
        return like(self, file)

    monkeypatch.setattr(RunNames, "like", slow)
    watch, lonely = SheetWatch(service, "one"), LonelySheets(service, "one")
    scans = 0
    while not log.messages("what looks like it"):
        began = clock.now
        watch.look(folder)
        assert clock.now - began <= near.BUDGET * 1.25
        scans += 1
        assert scans < 20
    assert scans == 3
    watch.look(folder)
    assert len(log.messages("what looks like it")) == len(runs), "each, and each once"
    key = f"lonely-sheets:{folder}"
    for _ in range(3):
        assert service.ledger.desk.get(key) is None, "half of it would not be true"
        lonely.look()
    assert list(json.loads(service.ledger.desk.get(key) or "")["since"]) == [
        f"{LONG.format(9876)}.csv"
    ]
    # A pass for cron has no next scan.
    service.one_pass = True
    began = clock.now
    SheetWatch(service, "one").look(folder)
    assert clock.now - began > 2 * near.BUDGET
    service.stopping.set()
    began = clock.now
    SheetWatch(service, "one").look(folder)
    assert clock.now == began, "and waits for nothing when it is to end"


def test_each_lonely_sheet_is_told_when_its_own_time_has_come(
    service: Service, log: Log, clock: Clock
) -> None:
    folder, began = folder_of(service), clock.now
    first, second = (folder / f"{LONG.format(number)}.csv" for number in (1, 2))
    first.write_bytes(SHEET)
    os.utime(first, (began, began))
    lonely = LonelySheets(service, "one")
    times: dict[str, list[int]] = {first.name: [], second.name: []}
    for hour in range(120):
        clock.now = began + hour * HOUR
        if hour == 7:
            second.write_bytes(SHEET)
        before = len(log.records)
        lonely.look()
        for record in log.records[before:]:
            for name, hours in times.items():
                if name in record.getMessage():
                    hours.append(hour)
    # A look every six hours.
    assert times == {first.name: [48, 96], second.name: [60, 108]}


def test_a_sheet_that_is_told_with_a_run_of_another_instrument_is_not_lonely(
    service: Service, log: Log, clock: Clock
) -> None:
    folder = folder_of(service)
    add(service, 1, "two")
    (folder / f"{LONG.format(1)[:-1]}B.csv").write_bytes(SHEET)
    for _ in range(20):
        clock.now += 6 * HOUR
        for name in ("one", "two"):
            LonelySheets(service, name).look()
            kept = json.loads(service.ledger.desk.get(f"lonely-sheets:{folder}") or "")
            assert kept["since"] == {}, "whoever looks"
    assert log.messages("belong") == []


def test_trouble_with_a_sheet_that_is_looked_at_rarely_is_told_once(
    service: Service, log: Log
) -> None:
    folder = folder_of(service)
    sheet = {"path": "x", "size": 1, "mtime_ns": 1, "inode": 1, "md5": "m", "etag": "e"}
    run, other = add(service, 1, sheet=sheet), add(service, 2)
    for one in (run, other):
        (folder / f"{one.name}.csv").symlink_to("nowhere")
    (folder / "2020").symlink_to("nowhere")
    watch = SheetWatch(service, "one")
    for _ in range(25):
        watch.look(folder)
    for one in (run, other):
        assert len(log.messages(f"{one.name}.csv: ", "symbolic link")) == 1
    assert len(log.messages("2020 are left out")) == 1
    # While the folder is away nothing is known of what is in it.
    folder.rename(folder.with_name("away"))
    for _ in range(12):
        watch.look(folder)
    assert len(log.messages("can't be listed")) == 1
    folder.with_name("away").rename(folder)
    for _ in range(12):
        watch.look(folder)
    assert len(log.records) == 4
    # Mended and broken again is told again.
    (folder / "2020").unlink()
    watch.look(folder)
    (folder / "2020").symlink_to("nowhere")
    watch.look(folder)
    assert len(log.messages("2020 are left out")) == 2


def learned(service: Service, number: int, **columns: Any) -> Run:
    """A run of which only the marker is known, learned an hour after it was published."""
    past = service.wall()
    columns = {"done": Step.PRUNE, "tree_digest": None, "published_at": past, **columns}
    run = add(service, number, pruned_at=past, emptied_at=past, **columns)
    return service.ledger.runs.set(run, sighted_at=past + HOUR)


def put(path: Path, *, mtime: float) -> None:
    path.write_bytes(SHEET)
    os.utime(path, (mtime, mtime))


def test_a_late_sheet_of_a_run_that_is_known_by_its_marker_alone_is_told_once(
    service: Service, log: Log, clock: Clock
) -> None:
    folder, run = folder_of(service), learned(service, 1)
    path = folder / f"{run.name}.csv"
    watch = SheetWatch(service, "one")
    watch.look(folder)
    assert log.records == []
    put(path, mtime=clock.now - HOUR)  # copied, with its old time
    for _ in range(12):
        watch.look(folder)
    SheetWatch(service, "one").look(folder)  # as after a restart
    ((event, fields),) = log.facts()
    assert (event, fields["run"]) == ("sheet.not-attached", run.key)
    assert log.records[0].levelno == logging.WARNING
    assert len(log.messages(f"{path} was put there or changed after", "only the marker")) == 1
    assert f"{run.prefix}/SampleSheet.csv" in fields["next_step"]
    assert f"datalake-syncd restore {run.key}" in fields["next_step"]
    row = service.ledger.runs.by_id(run.id)
    assert (row.done, row.status, row.version) == (run.done, run.status, run.version)
    # Another content is another sheet, in whatever place.
    (folder / "2023").mkdir()
    path.unlink()
    put(folder / "2023" / path.name, mtime=clock.now + HOUR)
    SheetWatch(service, "one").look(folder)
    assert len(log.messages(f"{folder}/2023/{path.name} was put there")) == 1
    assert len(log.records) == 2


def test_a_sheet_that_was_in_time_is_told_of_no_run_that_is_known_by_its_marker(
    service: Service, log: Log, clock: Clock
) -> None:
    folder = folder_of(service)
    clock.now = time.time() + HOUR
    in_time, edited, none = (learned(service, number) for number in (1, 2, 3))
    for run in (in_time, edited):
        put(folder / f"{run.name}.csv", mtime=clock.now - HOUR)
    (folder / f"{none.name}.csv").mkdir()
    # Edited between its publishing and the beginning of this ledger.
    os.utime(folder / f"{edited.name}.csv", (clock.now + 1, clock.now + 1))
    SheetWatch(service, "one").look(folder)
    assert [fields["run"] for _, fields in log.facts()] == [edited.key]


def test_what_the_step_told_of_a_sheet_is_not_told_by_the_watch_and_the_other_way_round(
    service: Service, log: Log, clock: Clock
) -> None:
    folder, run, late = folder_of(service), add(service, 1), add(service, 2)
    for one in (run, late):
        (folder / f"{one.name}.csv").symlink_to("nowhere")
    with pytest.raises(NeedsPerson) as error:
        find_sheet(folder, run.name, list_sheets(folder))
    reason = str(error.value)
    service.ledger.runs.event(run.id, clock.now, UNUSABLE, reason, {"reason": reason})
    for _ in range(2):  # as after a restart
        SheetWatch(service, "one").look(folder)
    ((event, fields),) = log.facts()
    assert (event, fields["run"]) == (UNUSABLE, late.key)
    assert is_told_unusable(service.ledger, late, log.messages()[0])


# --- the whole service -----------------------------------------------------------------------


def test_a_copy_of_a_sheet_blocks_no_run_and_no_scan(lab: Lab) -> None:
    """Names of the other instrument's runs have another length."""
    early, late, other = nextseq(1), nextseq(2), miseq(1)
    write(lab, early, other)
    copy = lab.sheets("nextseq") / f"SampleSheet_{early.name}.csv"
    copy.write_bytes(SHEET)
    log = lab.once()
    write(lab, late)
    log += lab.once()
    for run in (early, late, other):
        expect_published(lab, run)
    (line,) = told(log, "sheet.near-miss")
    assert copy.name in line["message"]
    assert told(log, "scan.bug", "sheets.not-compared") == []


@pytest.fixture
def without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything; the service that it starts here may not."""
    if os.geteuid() != 0:
        return
    rights = "-dac_override,-dac_read_search"
    command = Lab.command

    def restricted(self: Lab, *arguments: str) -> list[str]:
        setpriv = ["setpriv", "--bounding-set", rights, "--inh-caps", rights, "--"]
        return [*setpriv, *command(self, *arguments)]

    monkeypatch.setattr(Lab, "command", restricted)


@pytest.mark.slow
def test_sheets_that_can_not_be_read_block_no_run(lab: Lab, without_rights: None) -> None:
    one, two, other = nextseq(1), nextseq(2), miseq(3)
    write(lab, one, two, other)
    shut = lab.sheets("nextseq") / "2019"
    shut.mkdir()
    (shut / f"{two.name}.csv").write_bytes(SHEET)
    (lab.sheets("nextseq") / f"{one.name}.csv").write_bytes(SHEET)
    (lab.sheets("miseq") / f"{other.name}.csv").write_bytes(SHEET)
    shut.chmod(0)
    lab.sheets("miseq").chmod(0)
    log = lab.once(expect=1)
    (line,) = told(log, "sheets.left-out")
    assert (line["level"], line["instrument"]) == ("WARNING", "nextseq")
    assert f"{shut} are left out" in line["message"]
    for run, sheets in ((one, 1), (two, 0)):
        assert row_of(lab, run).status == "finished"
        assert len(lab.blobs(name_starts_with=f"nextseq-out/{run.name}/SampleSheet")) == sheets
    row = row_of(lab, other)
    assert (row.done, row.status) == ("verify", "waiting"), "it is tried again by itself"
    assert f"{lab.sheets('miseq')} can't be listed" in (row.reason or "")
    assert "read access" in (row.next_step or "")
    (line,) = told(log, "sheets.offline")
    assert line["instrument"] == "miseq"
    shut.chmod(0o755)
    lab.sheets("miseq").chmod(0o755)
    lab.call("retry", other.name)  # not to wait for its time
    log = lab.once()
    assert told(log, "sheets.left-out", "sheets.offline") == []
    for prefix in (f"nextseq-out/{two.name}", f"miseq-out/{other.name}"):
        assert lab.read(f"{prefix}/SampleSheet.csv") == SHEET


def test_a_year_that_is_a_link_is_told_once_with_what_to_do(lab: Lab) -> None:
    run = nextseq(1)
    write(lab, run)
    real = lab.root / "archive"
    real.mkdir()
    (real / f"{run.name}.csv").write_bytes(SHEET)
    year = lab.sheets("nextseq") / "2023"
    year.symlink_to(real)
    lab.configure(
        daemon=['scan_interval = "0.3s"'], instruments__nextseq=['sample_sheet = "required"']
    )
    with lab.daemon() as daemon:
        lab.wait_for(lambda: "is required" in str(lab.run(run.name, "nextseq")))
        lab.wait_for(lambda: daemon.lines("sheets.left-out"))
        year.unlink()
        real.rename(year)  # the folder itself
        lab.wait_published(run.name, "nextseq")
        (line,) = daemon.lines("sheets.left-out")
    assert f"{year} are left out: it is a symbolic link" in line["message"]
    assert "put the folder itself there" in line["next_step"]
    assert lab.read(f"nextseq-out/{run.name}/SampleSheet.csv") == SHEET


def test_a_copy_of_an_attached_sheet_sends_no_run_back(lab: Lab) -> None:
    run = nextseq(1)
    write(lab, run)
    sheets = lab.sheets("nextseq")
    sheet = sheets / f"{run.name}.csv"
    sheet.write_bytes(SHEET)
    lab.once()
    before = row_of(lab, run)
    report = {"summary", "samples", "format", "md5", "etag"}

    def expect_noted(path: Path, log: list[dict[str, Any]]) -> None:
        row = row_of(lab, run)
        assert told(log, "sheet.changed", "verify.proven") == []
        assert (row.done, row.status, row.generation) == ("publish", "finished", 1)
        assert "sheet.changed" not in lab.events(run.name, "nextseq")
        assert row.sheet is not None
        assert before.sheet is not None
        assert row.sheet["path"] == str(path)
        assert row.sheet["inode"] == path.stat().st_ino
        assert {key: row.sheet[key] for key in report} == {key: before.sheet[key] for key in report}

    # Restored from a backup: another inode, another time; and then moved to its year.
    shutil.copy(sheet, lab.root / "copy")
    os.replace(lab.root / "copy", sheet)
    expect_noted(sheet, lab.once())
    (sheets / "2023").mkdir()
    shutil.copy(sheet, sheets / "2023" / sheet.name)
    sheet.unlink()
    expect_noted(sheets / "2023" / sheet.name, lab.once())
    # As long, with the same time, and other bytes.
    (lab.root / "edited").write_bytes(SHEET.replace(b"S1", b"S2"))
    shutil.copystat(sheets / "2023" / sheet.name, lab.root / "edited")
    os.replace(lab.root / "edited", sheets / "2023" / sheet.name)
    log = lab.once()
    assert len(told(log, "sheet.attached")) == 1
    assert row_of(lab, run).generation == 2
    assert lab.read(f"nextseq-out/{run.name}/SampleSheet.csv") == SHEET.replace(b"S1", b"S2")


def test_two_different_sheets_of_a_run_are_told_once_with_the_one_that_is_taken(lab: Lab) -> None:
    run, copied = nextseq(1), nextseq(2)
    write(lab, run, copied)
    sheets = lab.sheets("nextseq")
    for year, content in (("2023", SHEET), ("2024", SHEET + b"S2\n")):
        (sheets / year).mkdir()
        (sheets / year / f"{run.name}.csv").write_bytes(content)
        (sheets / year / f"{copied.name}.csv").write_bytes(SHEET)
    log = lab.once() + lab.once()
    (line,) = told(log, "sheet.ambiguous")
    assert (line["level"], line["run"]) == ("WARNING", f"nextseq/{run.name}")
    assert f"{sheets}/2024/{run.name}.csv is taken, for the newest year" in line["message"]
    assert f"not {sheets}/2023/{run.name}.csv" in line["message"]
    assert lab.read(f"nextseq-out/{run.name}/SampleSheet.csv") == SHEET + b"S2\n"
    assert "sheet.ambiguous" in lab.events(run.name, "nextseq")
    # One more, in the folder itself: that is the one that is taken now.
    (sheets / f"{run.name}.csv").write_bytes(SHEET)
    log = lab.once() + lab.once()
    (line,) = told(log, "sheet.ambiguous")
    assert f"{sheets}/{run.name}.csv is taken, for the sheet folder itself" in line["message"]
    assert f"not {sheets}/2024/{run.name}.csv" in line["message"]
    assert "2023" not in line["message"], "that one holds the same"
    assert lab.read(f"nextseq-out/{run.name}/SampleSheet.csv") == SHEET
