"""Folders that come back: bytes are read once, and a disk that can't be read is told once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import SourceChanged, SourceOffline
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import FileEntry, FileStat, Status, Step
from datalake_syncd.steps import returned
from datalake_syncd.steps.growing.look import look_at_growing
from datalake_syncd.steps.growing.returned import Compared
from datalake_syncd.steps.growing.seeing import look_and_count
from datalake_syncd.steps.growing.slices import ScanBudget, Slices
from datalake_syncd.steps.growing.watch import GrowthWatch
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.settle import Settling
from tests.steps.service import service_of
from tests.steps.test_batches import Scene

NAME, FILES = "230101_M00001_0001_000000000-AAAAA", 10


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were hashed, in order; ``bad`` in a name is a sector that can't be read."""
    found: list[str] = []
    real = Slices.md5

    def md5(self: Slices, root: Path, path: str, *rest: Any, **more: Any) -> Any:
        found.append(path)
        if "bad" in path:
            raise SourceOffline(f"reading {path} failed: Input/output error (errno 5)")
        return real(self, root, path, *rest, **more)

    monkeypatch.setattr(Slices, "md5", md5)
    return found


@pytest.fixture
def clock() -> list[float]:
    return [1_000_000.0]


@pytest.fixture
def service(tmp_path: Path, clock: list[float]) -> Iterator[Service]:
    """A service with a run that was published and pruned, and whose folder is back."""
    made = service_of(tmp_path, "m", wall=lambda: clock[0])
    folder = tmp_path / "m" / NAME
    folder.mkdir()
    names = [f"f{number}" for number in range(FILES - 1)] + ["z-bad"]
    for name in names:
        (folder / name).write_bytes(name.encode())
    run = made.ledger.runs.add(
        "m", NAME, prefix=f"m-out/{NAME}", now=1.0, reason="x", done=Step.PRUNE,
        status=Status.FINISHED, published_at=2.0, pruned_at=3.0, emptied_at=4.0, tree_digest="d",
    )  # fmt: skip
    returned._list(made.context(run), lambda: None)
    with made.ledger.database.transaction():
        made.ledger.files.adopt_in_transaction(run.id, ())
    digests = (
        (name, hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()) for name in names
    )
    made.ledger.files.write_md5s(run.id, digests)
    yield made
    made.ledger.close()


def test_a_bad_sector_is_told_once_and_costs_no_second_read_of_the_others(
    service: Service, clock: list[float], reads: list[str]
) -> None:
    told: list[str] = []
    service.log = lambda _level, event, message, **_f: told.append(f"{event}: {message}")  # type: ignore[method-assign]
    monotonic = [0.0]
    service.monotonic = lambda: monotonic[0]
    watch, patience = returned.ReturnWatch(service), Patience("m", 120)
    for _ in range(12):
        run = service.ledger.runs.get("m", NAME)
        assert run is not None
        watch.visit(run, patience)
        clock[0] += 86_400.0
        monotonic[0] += 600.0
    assert [line.partition(":")[0] for line in told] == ["run.back-unread"]
    assert "z-bad" in told[0]
    assert sorted(set(reads)) == sorted([*(f"f{n}" for n in range(FILES - 1)), "z-bad"])
    assert len([name for name in reads if "bad" not in name]) == FILES - 1
    assert 1 < reads.count("z-bad") < 6


def test_a_file_that_came_back_to_a_data_set_is_read_once(tmp_path: Path, reads: list[str]) -> None:
    scene = Scene(tmp_path)
    ledger, run = scene.ledger, scene.run
    with ledger.database.transaction():
        ledger.growth.mark_freed_in_transaction(run.id, ["a.raw"], 3.0)
        for table in ("announced", "files"):
            sql = f"UPDATE {table} SET lake_path='samples/'||path WHERE run_id=?"  # noqa: S608 - constant text
            ledger.database.execute(sql, (run.id,))
    (scene.project / "a.raw").write_bytes(b"frist")
    layout = KINDS["proteomics"].growing
    assert layout is not None
    compared = Compared()

    def look() -> Settling:
        context = scene.service.context(scene.run)
        seen = look_and_count(context, layout, lambda: None)
        return look_at_growing(context, layout, seen, lambda: None, compared)

    del reads[:]
    for number in range(4):
        found = look()
        with ledger.database.transaction():
            ledger.database.execute("UPDATE watched SET since=1.0")
        assert found.blocked is (number > 0)
    assert reads == ["a.raw"]
    (scene.project / "a.raw").write_bytes(b"irfst")
    look()
    with ledger.database.transaction():
        ledger.database.execute("UPDATE watched SET since=1.0")
    look()
    assert reads == ["a.raw", "a.raw"]
    (scene.project / "a.raw").write_bytes(b"of another size")
    look()
    with ledger.database.transaction():
        ledger.database.execute("UPDATE watched SET since=1.0")
    assert look().blocked
    assert reads == ["a.raw", "a.raw"], "no byte has to be read to know that it is another one"
    ledger.close()


def test_nothing_of_a_source_is_asked_in_the_watchers_own_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path)
    asked: list[threading.Thread] = []
    real = Path.lstat

    def lstat(path: Path) -> Any:
        if path.is_relative_to(scene.source):
            asked.append(threading.current_thread())
        return real(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    GrowthWatch(scene.service).visit(scene.run, Patience("prot", 120))
    assert asked
    assert threading.current_thread() not in asked
    scene.ledger.close()


def sliced(root: Path, expected: FileStat, slices: Slices, until: float) -> str | None:
    return slices.md5(
        root, "big", expected, until=until, tick=lambda: None, should_stop=lambda: False
    )


def test_a_large_file_is_read_once_in_as_many_slices_as_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(3 * (1 << 20) + 5)
    (tmp_path / "big").write_bytes(data)
    expected = tree.file_stat((tmp_path / "big").stat())
    read: list[int] = []
    real = os.read

    def count(descriptor: int, size: int) -> bytes:
        piece = real(descriptor, size)
        read.append(len(piece))
        return piece

    monkeypatch.setattr("datalake_syncd.steps.growing.slices.os.read", count)
    slices = Slices()
    found = [sliced(tmp_path, expected, slices, until=0.0) for _ in range(4)]
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert found == [None, None, None, digest]
    assert sum(read) == len(data)


def test_a_file_that_changes_between_two_slices_is_not_the_one_that_was_begun(
    tmp_path: Path,
) -> None:
    (tmp_path / "big").write_bytes(b"a" * (2 << 20))
    expected = tree.file_stat((tmp_path / "big").stat())
    slices = Slices()
    assert sliced(tmp_path, expected, slices, until=0.0) is None
    (tmp_path / "new").write_bytes(b"b" * (2 << 20))
    (tmp_path / "new").rename(tmp_path / "big")
    with pytest.raises(SourceChanged):
        sliced(tmp_path, expected, slices, until=0.0)
    now = tree.file_stat((tmp_path / "big").stat())
    digest = hashlib.md5(b"b" * (2 << 20), usedforsecurity=False).hexdigest()
    assert sliced(tmp_path, now, slices, until=float("inf")) == digest


def test_all_that_came_back_shares_what_one_scan_may_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("datalake_syncd.steps.growing.slices.time.monotonic", lambda: clock[0])
    budget, ends = ScanBudget(20.0), list[float]()
    for run, seconds in ((1, 15.0), (2, 4.0), (3, 2.0)):
        budget.visit(run)
        assert not budget.spent
        with budget.spending() as until:
            clock[0] += seconds
        ends.append(until)
    assert ends == [120.0, 120.0, 120.0]
    budget.visit(4)
    assert budget.spent
    budget.visit(1)  # the next scan begins
    assert not budget.spent


def test_a_scan_that_read_enough_leaves_the_next_folder_to_the_next_one(
    service: Service, clock: list[float], reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what one visit reads goes into the ledger in one go, not file by file."""
    watch, patience = returned.ReturnWatch(service), Patience("m", 120)
    monotonic = [0.0]
    service.monotonic = lambda: monotonic[0]
    written: list[int] = []
    real = service.ledger.files.add_seen

    def add_seen(run_id: int, batch: Iterable[tuple[FileEntry, str | None]]) -> None:
        rows = list(batch)
        written.extend([len(rows)] if any(md5 for _, md5 in rows) else [])
        real(run_id, rows)

    service.ledger.files.add_seen = add_seen  # type: ignore[method-assign]
    (service.config.instruments["m"].source / NAME / "z-bad").rename(
        service.config.instruments["m"].source / NAME / "z-good"
    )
    with service.ledger.database.transaction():
        digest = hashlib.md5(b"z-bad", usedforsecurity=False).hexdigest()
        service.ledger.database.execute(
            "UPDATE files SET path='z-good', lake_path='z-good', md5=? WHERE path='z-bad'",
            (digest,),
        )

    def visit() -> float | None:
        run = service.ledger.runs.get("m", NAME)
        assert run is not None
        given = watch.visit(run, patience)
        clock[0] += 86_400.0
        monotonic[0] += 86_400.0
        return given

    visit()
    watch._budget = ScanBudget(0.0)
    with monkeypatch.context() as blind:
        blind.setattr(returned, "whole_look", None)  # walking a large folder takes minutes too
        assert visit() == returned._SOON
    assert reads == []
    watch._budget = ScanBudget(20.0)
    visit()
    assert len(reads) == FILES
    assert written == [FILES]


def test_what_came_back_to_a_data_set_is_not_read_on_when_the_service_stops(
    tmp_path: Path, reads: list[str]
) -> None:
    scene = Scene(tmp_path)
    ledger, run = scene.ledger, scene.run
    with ledger.database.transaction():
        ledger.growth.mark_freed_in_transaction(run.id, ["a.raw"], 3.0)
        for table in ("announced", "files"):
            sql = f"UPDATE {table} SET lake_path='samples/'||path WHERE run_id=?"  # noqa: S608 - constant text
            ledger.database.execute(sql, (run.id,))
    (scene.project / "a.raw").write_bytes(b"frist")
    watch, patience = GrowthWatch(scene.service), Patience("prot", 120)
    watch.visit(scene.run, patience)
    with ledger.database.transaction():
        ledger.database.execute("UPDATE watched SET since=1.0")
    watch._due.clear()
    scene.service.stopping.set()
    watch.visit(scene.run, patience)
    assert reads == ["a.raw"]
    assert scene.run.status == "finished", "nothing is decided from half a look"
    scene.service.stopping.clear()
    # A scan that has read enough goes on with the next one; nothing is told until it is known.
    watch._budget._seconds = 0.0
    watch.visit(scene.run, patience)
    assert "a.raw came back and is compared" in (scene.run.reason or "")
    watch._budget._seconds = 20.0
    watch.visit(scene.run, patience)
    assert scene.run.status == "blocked"
    assert reads == ["a.raw", "a.raw"]
    ledger.close()
