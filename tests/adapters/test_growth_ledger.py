"""The ledger of growing data sets: ages, places in the lake, and what outlives a look."""

from __future__ import annotations

import pytest

from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.core.kinds.growing import Placed
from datalake_syncd.core.model import FileEntry, FileStat, Oddity, Proof, Status, Step


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(None, writable=True)


@pytest.fixture
def run(ledger: Ledger) -> Run:
    return ledger.runs.add("prot", "prot1", prefix="p/PROT1", now=1.0, reason="seen")


def entry(path: str, size: int = 10, mtime: int = 1) -> FileEntry:
    return FileEntry(path, FileStat(size, mtime, mtime, 7, 1))


def settle(
    ledger: Ledger, run: Run, *placed: tuple[FileEntry, str], md5: str | None = None
) -> tuple[Run, list[str]]:
    run = ledger.runs.by_id(run.id)
    batch = [(one, Placed(one.path, lake, one.path), md5) for one, lake in placed]
    ledger.files.begin_look(run.id)
    ledger.growth.add_placed(run.id, batch)
    columns = {"done": Step.SETTLE, "status": Status.READY}
    return ledger.settle_growing(run, (), columns, now=2.0, message="some may go")


def rows(ledger: Ledger, run: Run) -> dict[str, tuple[str, bool, bool]]:
    return {
        file.path: (file.lake_path, file.here, file.announced)
        for page in ledger.files.pages(run.id)
        for file in page
    }


def prove(ledger: Ledger, run: Run, *paths: str) -> None:
    ledger.files.write_proofs(run.id, ((path, Proof.CHECKED, "e") for path in paths))


def test_the_row_counts_what_the_manifest_holds(ledger: Ledger, run: Run) -> None:
    settled, lost = settle(ledger, run, (entry("a"), "s/a"), (entry("b", 5), "s/b"))
    assert (settled.files, settled.bytes, lost) == (2, 15, [])
    assert rows(ledger, run) == {"a": ("s/a", True, False), "b": ("s/b", True, False)}


def test_what_was_announced_stays_when_it_leaves_the_disk(ledger: Ledger, run: Run) -> None:
    settle(ledger, run, (entry("a"), "s/a"), (entry("b"), "s/b"))
    prove(ledger, run, "a", "b")
    ledger.growth.mark_published(run.id, 3.0)
    settled, lost = settle(ledger, run, (entry("b"), "s/b"), (entry("c"), "s/c"))
    assert (settled.files, lost) == (3, [])
    assert rows(ledger, run) == {
        "a": ("s/a", False, True), "b": ("s/b", True, True), "c": ("s/c", True, False),
    }  # fmt: skip


def test_what_was_never_announced_and_is_written_again_waits(ledger: Ledger, run: Run) -> None:
    settle(ledger, run, (entry("a"), "s/a"), (entry("b"), "s/b"))
    ledger.growth.write_watched(run.id, [(entry("a", 99), 2.0), (entry("b"), 1.0)], [])
    settled, lost = settle(ledger, run, (entry("b"), "s/b"))
    assert (settled.files, lost) == (1, []), "it is on the disk still: nothing is lost"
    ledger.growth.write_watched(run.id, [], ["b"])
    _, lost = settle(ledger, run, (entry("c"), "s/c"))
    assert lost == ["b"], "gone without any proof"


def test_a_proven_file_that_vanished_before_its_marker_is_kept(ledger: Ledger, run: Run) -> None:
    settle(ledger, run, (entry("a"), "s/a"))
    prove(ledger, run, "a")
    _, lost = settle(ledger, run, (entry("b"), "s/b"))
    assert lost == []
    assert rows(ledger, run)["a"] == ("s/a", False, False)


def test_files_may_change_their_places_in_the_lake(ledger: Ledger, run: Run) -> None:
    settle(ledger, run, (entry("a"), "s/1"), (entry("b"), "s/2"), md5="1" * 32)
    prove(ledger, run, "a", "b")
    ledger.growth.mark_published(run.id, 3.0)
    settle(ledger, run, (entry("a"), "s/2"), (entry("b"), "s/1"))
    for file in next(ledger.files.pages(run.id)):
        assert (file.proof, file.announced, file.md5) == (Proof.NONE, False, "1" * 32)
    assert rows(ledger, run)["a"][0] == "s/2"


def test_another_file_takes_the_place_of_one_that_left(ledger: Ledger, run: Run) -> None:
    settle(ledger, run, (entry("old.xlsx"), "r/x.xlsx"))
    prove(ledger, run, "old.xlsx")
    ledger.growth.mark_published(run.id, 3.0)
    settle(ledger, run, (entry("OLD.xlsx"), "r/x.xlsx"))
    assert rows(ledger, run) == {"OLD.xlsx": ("r/x.xlsx", True, False)}


def test_a_change_loses_proof_and_announcement(ledger: Ledger, run: Run) -> None:
    settle(ledger, run, (entry("a"), "s/a"), md5="1" * 32)
    prove(ledger, run, "a")
    ledger.growth.mark_published(run.id, 3.0)
    settle(ledger, run, (entry("a", mtime=2), "s/a"))
    (file,) = next(ledger.files.pages(run.id))
    assert (file.proof, file.announced, file.md5) == (Proof.NONE, False, None)


@pytest.mark.parametrize("still_there", [True, False])
def test_what_was_announced_comes_back_when_its_new_version_is_dropped(
    ledger: Ledger, run: Run, *, still_there: bool
) -> None:
    settle(ledger, run, (entry("a"), "s/a"), (entry("b"), "s/b"), md5="1" * 32)
    prove(ledger, run, "a", "b")
    ledger.growth.mark_published(run.id, 3.0)
    settle(ledger, run, (entry("a", 20, mtime=2), "s/a"), (entry("b"), "s/b"), md5="2" * 32)
    assert rows(ledger, run)["a"] == ("s/a", True, False)
    # It changes again, or is taken away, before the new version was announced.
    watched = [(entry("a", 30, mtime=3), 5.0)] if still_there else []
    ledger.growth.write_watched(run.id, [*watched, (entry("b"), 1.0)], [])
    settled, _ = settle(ledger, run, (entry("b"), "s/b"))
    assert rows(ledger, run)["a"] == ("s/a", False, True)
    assert (settled.files, settled.bytes) == (2, 20)
    told = {file.path: file.md5 for file in next(ledger.files.pages(run.id))}
    assert told["a"] == "1" * 32


def test_the_guard_of_a_freed_file_outlives_its_return(ledger: Ledger, run: Run) -> None:
    settle(ledger, run, (entry("a"), "s/a"), md5="1" * 32)
    ledger.growth.mark_published(run.id, 3.0)
    now = ledger.runs.by_id(run.id)
    ledger.free_units(now, ["a"], {}, now=4.0, size=1, message="gone")
    settle(ledger, run, (entry("a", mtime=9), "s/a"), md5="1" * 32)  # copied back
    settle(ledger, run, (entry("c"), "s/c"))  # and taken away again before its marker
    assert rows(ledger, run)["a"] == ("s/a", False, True)
    assert ledger.growth.freed(run.id) == {"s/a": "1" * 32}


def test_only_whole_announced_units_may_go(ledger: Ledger, run: Run) -> None:
    unit = [(entry(f"u.d/{n}"), Placed(f"u.d/{n}", f"s/u.d/{n}", "u.d"), None) for n in "ab"]
    book = (entry("m.xlsx"), Placed("m.xlsx", "m.xlsx", "m.xlsx", prunable=False), None)
    ledger.growth.add_placed(run.id, [*unit, book])
    columns = {"done": Step.SETTLE, "status": Status.READY}
    ledger.settle_growing(run, (), columns, now=2.0, message="")
    assert ledger.growth.units(run.id, announced_before=9.0) == {}, "nothing is announced yet"
    ledger.growth.mark_published(run.id, 5.0)
    assert ledger.growth.first_announced(run.id) == 5.0
    assert ledger.growth.units(run.id, announced_before=4.9) == {}
    (found,) = ledger.growth.units(run.id, announced_before=5.0).values()
    assert set(found) == {"u.d/a", "u.d/b"}
    changed = (entry("u.d/b", mtime=9), unit[1][1], None)
    ledger.growth.add_placed(run.id, [unit[0], changed])
    ledger.settle_growing(ledger.runs.by_id(run.id), (), columns, now=6.0, message="")
    # One of its files was written again: the unit stays, whole.
    assert ledger.growth.first_announced(run.id) is None


def test_freed_files_are_remembered_by_their_place_in_the_lake(ledger: Ledger, run: Run) -> None:
    settle(ledger, run, (entry("a"), "s/a"), md5="1" * 32)
    ledger.growth.mark_published(run.id, 3.0)
    now = ledger.runs.by_id(run.id)
    now = ledger.free_units(now, ["a"], {"freed_at": 4.0}, now=4.0, size=1, message="gone")
    assert ledger.growth.freed(run.id) == {"s/a": "1" * 32}
    assert now.observed == {"freed_at": 4.0}
    assert ledger.growth.freed_since("prot", 3.5) == 1
    assert ledger.growth.freed_since("prot", 4.5) == 0
    ledger.growth.mark_back(run.id, ["a"], 6.0)
    assert ledger.growth.freed(run.id) == {}


def test_the_lakes_own_manifest_joins_once(ledger: Ledger, run: Run) -> None:
    settle(ledger, run, (entry("a"), "s/a"))
    for _ in range(2):
        ledger.growth.add_announced(
            run.id, [("s/a", 10, "1" * 32, True), ("s/b", 20, "2" * 32, True)], 9.0
        )
    assert rows(ledger, run) == {"a": ("s/a", True, False), "s/b": ("s/b", False, True)}
    assert ledger.files.totals(run.id) == (2, 30)


def test_notes_are_replaced(ledger: Ledger, run: Run) -> None:
    for name in ("one", "two"):
        note = Oddity(name, "not-in-layout", "", blocks=False)
        ledger.growth.add_placed(run.id, [(entry("a"), Placed("a", "s/a", "a"), None)])
        now = ledger.runs.by_id(run.id)
        ledger.settle_growing(now, [note], {"status": Status.READY}, now=2.0, message="")
    assert [note.path for note in ledger.files.notes(run.id)] == ["two"]
