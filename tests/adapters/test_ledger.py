"""The ledger: expected state in every transition, one daemon, durable and honest."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.adapters.ledger import (
    AlreadyRunning,
    DaemonLock,
    Ledger,
    LedgerDamaged,
    LedgerFull,
    Run,
    StaleTransition,
)
from datalake_syncd.adapters.ledger.database import LEDGER
from datalake_syncd.adapters.ledger.schema import MIGRATIONS
from datalake_syncd.core.errors import SyncdError, UsageError
from datalake_syncd.core.model import (
    Blob,
    FileEntry,
    FileStat,
    Oddity,
    Outcome,
    Proof,
    Status,
    Step,
)

STAT = FileStat(10, 1, 2, 3, 4)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, writable=True)


def add(ledger: Ledger, name: str = "run", **columns: Any) -> Run:
    return ledger.runs.add("miseq", name, prefix=f"p/{name}", now=100.0, reason="new", **columns)


def ready(ledger: Ledger, name: str = "run") -> Run:
    return ledger.runs.move(
        add(ledger, name), now=101.0, event="run.settled", message="m", done=Step.SETTLE,
        status=Status.READY,
    )  # fmt: skip


def test_b14_a8_the_file_is_kept_as_the_design_says(ledger: Ledger) -> None:
    assert ledger.database.rows("PRAGMA journal_mode")[0][0] == "delete"
    assert ledger.database.rows("PRAGMA synchronous")[0][0] == 3  # EXTRA
    assert ledger.database.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)
    tables = ledger.database.rows("SELECT name, strict FROM pragma_table_list WHERE schema='main'")
    ours = {row["name"]: row["strict"] for row in tables if not row["name"].startswith("sqlite_")}
    assert set(ours.values()) == {1}, ours


def test_a_run_is_its_row_column_by_column(ledger: Ledger) -> None:
    run = add(
        ledger, sheet={"md5": "x"}, gates=[{"name": "flags"}], facts={"run_id": "r"},
        accepted=["names"], observed={"probe": 1}, outcome="failed", fingerprint="f",
    )  # fmt: skip
    columns = [row["name"] for row in ledger.database.rows("PRAGMA table_info(runs)")]
    assert columns == [field.name.removesuffix("_json") for field in fields(Run)]
    assert (run.instrument, run.name, run.prefix) == ("miseq", "run", "p/run")
    assert (run.done, run.status, run.proof) == (Step.SIGHTED, Status.WAITING, Proof.NONE)
    assert (run.outcome, run.fingerprint) == (Outcome.FAILED, "f")
    assert (run.sheet, run.facts) == ({"md5": "x"}, {"run_id": "r"})
    assert (run.gates, run.accepted, run.observed) == (
        [{"name": "flags"}],
        ("names",),
        {"probe": 1},
    )
    ledger.database.execute("UPDATE runs SET status='asleep'")
    with pytest.raises(ValueError, match="asleep"):
        ledger.runs.by_id(run.id)


def test_only_runs_that_may_wait_are_restless(ledger: Ledger) -> None:
    """All that `stale` can tell of, and no more: most runs of a ledger rest for good."""
    add(ledger, "waits")
    add(ledger, "blocked", status=Status.BLOCKED)
    add(ledger, "rests", status=Status.FINISHED, observed={"waited_for": {}})
    add(ledger, "kept-back", status=Status.FINISHED, observed={"pending": [["a.raw", "grows"]]})
    ledger.runs.add("other", "o", prefix="o", now=1.0, reason="new")
    assert [run.name for run in ledger.runs.restless("miseq")] == ["waits", "blocked", "kept-back"]


def test_a_transition_needs_the_state_that_it_expects(ledger: Ledger) -> None:
    run = ready(ledger)
    claimed = ledger.runs.claim(200.0, instruments=["miseq"])
    assert claimed is not None
    assert claimed.status is Status.RUNNING
    with pytest.raises(StaleTransition):
        ledger.runs.move(run, now=1.0, event="x", message="late", status=Status.FINISHED)
    assert ledger.runs.by_id(run.id) == claimed
    assert [event.event for event in ledger.runs.history(run.id)] == ["run.sighted", "run.settled"]


def test_a_double_finish_is_an_error(ledger: Ledger) -> None:
    ready(ledger)
    claimed = ledger.runs.claim(200.0, instruments=["miseq"])
    assert claimed is not None
    ledger.runs.move(
        claimed, now=1.0, event="a", message="a", done=Step.TRANSFER, status=Status.READY
    )
    with pytest.raises(StaleTransition):
        ledger.runs.move(
            claimed, now=1.0, event="b", message="b", done=Step.TRANSFER, status=Status.READY
        )


def test_two_workers_never_claim_one_run(ledger: Ledger) -> None:
    for number in range(20):
        ready(ledger, f"run{number}")
    claimed: list[int] = []

    def work() -> None:
        while (run := ledger.runs.claim(200.0, instruments=["miseq"])) is not None:
            claimed.append(run.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(set(claimed))
    assert len(claimed) == 20


def test_who_is_not_claimed(ledger: Ledger) -> None:
    ready(ledger, "held")
    ledger.runs.set(ledger.runs.named("held")[0], hold_reason="no")
    add(ledger, "not settled")
    later = ready(ledger, "later")
    ledger.runs.set(later, status=Status.WAITING, not_before=500.0)
    assert ledger.runs.claim(200.0, instruments=["miseq"]) is None
    assert ledger.runs.claim(600.0, instruments=[]) is None
    assert ledger.runs.claim(600.0, instruments=["other"]) is None
    found = ledger.runs.claim(600.0, instruments=["miseq"])
    assert found is not None
    assert found.name == "later"


def test_what_died_is_given_back(tmp_path: Path, ledger: Ledger) -> None:
    ready(ledger)
    ledger.runs.claim(200.0, instruments=["miseq"])
    ledger.close()
    again = Ledger(tmp_path, writable=True)
    assert again.runs.give_back(300.0) == 1
    run = again.runs.all()[0]
    assert (run.done, run.status) == (Step.SETTLE, Status.READY)


def test_events_are_only_added(ledger: Ledger) -> None:
    add(ledger)
    for sql in ("UPDATE events SET message='x'", "DELETE FROM events"):
        with (
            pytest.raises(sqlite3.IntegrityError, match="only ever added"),
            ledger.database.transaction(),
        ):
            ledger.database.execute(sql)


def test_state_and_event_are_one_transaction(ledger: Ledger) -> None:
    run = add(ledger)
    with pytest.raises(TypeError):
        ledger.runs.move(
            run, now=1.0, event="x", message="m", status=Status.READY, data={"bad": object()}
        )
    assert ledger.runs.by_id(run.id) == run
    assert len(ledger.runs.history(run.id)) == 1


def entries(*paths: str, stat: FileStat = STAT) -> list[tuple[FileEntry, str | None]]:
    return [(FileEntry(path, stat), None) for path in paths]


def adopt(ledger: Ledger, run: Run, look: list[tuple[FileEntry, str | None]]) -> list[str]:
    ledger.files.begin_look(run.id)
    ledger.files.add_seen(run.id, look)
    with ledger.database.transaction():
        link = Oddity("l", "symlink", "to x", blocks=False)
        return ledger.files.adopt_in_transaction(run.id, [link])


def test_md5_and_proof_stay_with_unchanged_files_only(ledger: Ledger) -> None:
    run = add(ledger)
    adopt(ledger, run, entries("a", "b", "c"))
    ledger.files.write_md5s(run.id, [("a", "1" * 32), ("b", "2" * 32), ("c", "3" * 32)])
    ledger.files.write_proofs(run.id, [(p, Proof.CHECKED, "e") for p in "abc"])
    ledger.files.mark_sent(run.id, [("b", "", True)])
    changed = FileStat(10, 1, 99, 3, 4)  # only the ctime tells
    lost = adopt(ledger, run, [*entries("a"), *entries("b", stat=changed), *entries("d")])
    rows = {file.path: file for page in ledger.files.pages(run.id) for file in page}
    assert set(rows) == {"a", "b", "d"}
    assert (rows["a"].md5, rows["a"].proof, rows["a"].proof_etag) == ("1" * 32, Proof.CHECKED, "e")
    b = rows["b"]
    assert (b.md5, b.proof, b.proof_etag, b.sent_over, b.single_put) == (
        None, Proof.NONE, None, None, False,
    )  # fmt: skip
    assert lost == ["c"]  # proven, but no marker had told of it
    published = ledger.runs.set(ledger.runs.by_id(run.id), published_at=200.0)
    ledger.files.write_proofs(run.id, [("a", Proof.CHECKED, "e")])
    assert adopt(ledger, published, entries("b", "d")) == []  # a marker tells of a
    assert [note.path for note in ledger.files.notes(run.id)] == ["l"]


def test_having_sent_a_file_is_evidence_for_one_look_only(ledger: Ledger) -> None:
    run = add(ledger)
    adopt(ledger, run, entries("a"))
    ledger.files.mark_sent(run.id, [("a", "", True)])
    ledger.files.write_proofs(run.id, [("a", Proof.CHECKED, "e")])
    row = ledger.files.one(run.id, "a")
    assert row is not None
    assert (row.sent_over, row.single_put) == (None, False)


def test_a_file_that_vanished_before_its_proof_is_named(ledger: Ledger) -> None:
    run = add(ledger)
    adopt(ledger, run, entries("a", "b"))
    assert adopt(ledger, run, entries("a")) == ["b"]


def test_pages_cover_everything_in_order(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("files", "looks"):
        monkeypatch.setattr(f"datalake_syncd.adapters.ledger.{module}.PAGE", 7)
    run, other = add(ledger), add(ledger, "other")
    names = [f"d{n % 10}/f{n:03}" for n in range(100)]
    adopt(ledger, run, entries(*names))
    adopt(ledger, other, entries("x"))
    ledger.files.begin_listing(run.id)
    ledger.files.add_listing(
        run.id, "p/run/", [Blob(f"p/run/{n}", 10, "m", "e") for n in [*names[:50], "extra"]]
    )
    assert [f.path for page in ledger.files.pages(run.id) for f in page] == sorted(names)
    pairs = [pair for page in ledger.files.pairs(run.id, "p/run/") for pair in page]
    assert len(pairs) == 100
    assert sum(blob is not None for _, blob in pairs) == 50
    assert all(blob is None or blob.name == f"p/run/{file.path}" for file, blob in pairs)
    assert ledger.files.extras(run.id) == ["extra"]
    ledger.files.add_seen(run.id, [*entries(*names[10:]), *entries("new")])
    seen = list(ledger.files.look_against_manifest(run.id))
    assert [path for path, *_ in seen] == sorted([*names, "new"])
    assert sum(row is None for _, row, _, _ in seen) == 1
    assert sum(local is None for _, _, local, _ in seen) == 10


def test_b8_one_daemon_per_ledger(tmp_path: Path) -> None:
    lock = DaemonLock(tmp_path)
    script = (
        "import sys, pathlib; from datalake_syncd.adapters.ledger import DaemonLock\n"
        "try: DaemonLock(pathlib.Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    second = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert second.stdout.startswith(f"AlreadyRunning {tmp_path} is in use by process {os.getpid()}")
    with pytest.raises(AlreadyRunning):
        DaemonLock(tmp_path)
    lock.release()
    DaemonLock(tmp_path).release()


def test_b11_a_newer_ledger_is_refused_and_untouched(tmp_path: Path, ledger: Ledger) -> None:
    ledger.close()
    with sqlite3.connect(tmp_path / LEDGER) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    for writable in (True, False):
        with pytest.raises(LedgerDamaged, match="newer version") as caught:
            Ledger(tmp_path, writable=writable)
        assert "install the newer" in caught.value.next_step


@pytest.mark.parametrize(
    "damage",
    [b"", b"this is not a database, and long enough to be read as one" * 10],
    ids=["truncated-to-nothing", "other-content"],
)
def test_b5_what_is_not_a_ledger_is_refused_with_what_to_do(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / LEDGER).write_bytes(damage)
    if not damage:
        Ledger(tmp_path, writable=True)  # SQLite takes an empty file as a new database
        return
    with pytest.raises(LedgerDamaged) as caught:
        Ledger(tmp_path, writable=True)
    assert f"mv {tmp_path / LEDGER}" in caught.value.next_step
    assert (tmp_path / LEDGER).read_bytes() == damage


def test_b5_flipped_bytes_are_found_at_the_start_or_do_not_matter(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, writable=True)
    for number in range(50):
        run = add(ledger, f"run{number}")
        adopt(ledger, run, entries(*[f"f{n}" for n in range(50)]))
    ledger.close()
    good = (tmp_path / LEDGER).read_bytes()
    refused = 0
    for offset in range(100, len(good), len(good) // 40):
        damaged = bytearray(good)
        damaged[offset : offset + 64] = b"\xff" * 64
        (tmp_path / LEDGER).write_bytes(damaged)
        try:
            opened = Ledger(tmp_path, writable=True)
        except SyncdError as error:
            refused += 1
            assert error.next_step  # noqa: PT017 - every refusal must say what to do
        else:
            opened.close()
    assert refused > 10


def test_b1_a_full_disk_rolls_back_and_says_so(tmp_path: Path, ledger: Ledger) -> None:
    run = add(ledger)
    ledger.database.rows("PRAGMA max_page_count=1")
    with pytest.raises(LedgerFull, match="took no more") as caught:
        adopt(ledger, run, entries(*[f"{n:0200}" for n in range(5000)]))
    assert "free space" in caught.value.next_step
    assert ledger.runs.by_id(run.id) == run
    ledger.database.rows("PRAGMA max_page_count=1000000")
    adopt(ledger, run, entries("a"))
    assert ledger.files.totals(run.id) == (1, 10)


def test_reading_without_a_ledger_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no ledger") as caught:
        Ledger(tmp_path, writable=False)
    assert "start it" in caught.value.next_step


def test_a_ledger_that_is_being_made_just_now_is_no_ledger_yet(tmp_path: Path) -> None:
    (tmp_path / LEDGER).touch()
    with pytest.raises(UsageError, match="no ledger"):
        Ledger(tmp_path, writable=False)


def test_a_reader_can_not_write(tmp_path: Path, ledger: Ledger) -> None:
    run = add(ledger)
    reader = Ledger(tmp_path, writable=False)
    assert reader.runs.all() == [run]
    with pytest.raises(UsageError, match="can't be written"):
        reader.runs.set(run, reason="x")


def test_requests_are_handed_over_and_answered(tmp_path: Path, ledger: Ledger) -> None:
    run = add(ledger)
    command = Ledger(tmp_path, writable=True)
    number = command.desk.ask("retry", run.id, None, 5.0)
    (request,) = ledger.desk.open_requests()
    assert (request.id, request.action, request.run_id) == (number, "retry", run.id)
    ledger.desk.answer(number, succeeded=True, answer="done", now=6.0)
    answered = command.desk.request(number)
    assert answered is not None
    assert (answered.succeeded, answered.answer) == (True, "done")
    assert ledger.desk.open_requests() == []


def test_a_scratch_copy_changes_nothing_here(ledger: Ledger) -> None:
    run = ready(ledger)
    adopt(ledger, run, entries("a", "b"))
    with ledger.scratch_copy(run) as copy:
        assert copy.runs.by_id(run.id) == run
        copy.files.begin_look(run.id)
        copy.files.add_seen(run.id, entries("zzz"))
        copy.files.write_md5s(run.id, [("a", "1" * 32)])
        assert copy.files.totals(run.id) == (2, 20)
    assert all(f.md5 is None for page in ledger.files.pages(run.id) for f in page)
    assert ledger.database.rows("SELECT * FROM seen") == []


def test_migrating_from_the_first_schema_equals_a_fresh_one(tmp_path: Path) -> None:
    fresh = Ledger(None, writable=True).database
    want = {r["sql"] for r in fresh.rows("SELECT sql FROM sqlite_schema WHERE sql NOT NULL")}
    old = tmp_path / LEDGER
    with sqlite3.connect(old) as connection:
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute("PRAGMA user_version=1")
    connection.close()
    migrated = Ledger(tmp_path, writable=True).database
    have = {r["sql"] for r in migrated.rows("SELECT sql FROM sqlite_schema WHERE sql NOT NULL")}
    assert have == want


def test_instruments_that_are_removed_stay_known(ledger: Ledger) -> None:
    ledger.desk.set_instruments({"a": ("miseq", "/a"), "b": ("miseq", "/b")})
    ledger.desk.update_instrument("a", online=1, device=7, ever_seen_runs=1, learned={"x"})
    ledger.desk.set_instruments({"a": ("miseq", "/a")})
    rows = {row.name: row for row in ledger.desk.instruments()}
    assert rows["a"].configured
    assert not rows["b"].configured
    assert (rows["a"].device, rows["a"].learned) == (7, frozenset({"x"}))
    ledger.desk.set_instruments({"a": ("miseq", "/elsewhere")})
    moved = ledger.desk.instrument("a")
    assert moved is not None
    assert (moved.device, moved.ever_seen_runs) == (None, 0)


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 1000])
def test_rows_that_go_in_many_at_once_all_arrive(ledger: Ledger, count: int) -> None:
    run = add(ledger)
    names = [f"f{number:04}" for number in range(count)]
    blobs = [Blob(f"p/{name}", number, None, f"e{number}") for number, name in enumerate(names)]
    ledger.files.add_listing(run.id, "p/", blobs)
    assert list(ledger.files.extras(run.id)) == names
    ledger.files.add_seen(run.id, entries(*names))
    with ledger.database.transaction():
        ledger.files.adopt_in_transaction(run.id, [])
    found = [
        (file.path, blob and (blob.name, blob.size, blob.etag))
        for page in ledger.files.pairs(run.id, "p/")
        for file, blob in page
    ]
    assert found == [(blob.name[2:], (blob.name, blob.size, blob.etag)) for blob in blobs]
