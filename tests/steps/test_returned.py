"""Folders that come back: bytes are read once, and a disk that can't be read is told once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import SourceOffline
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps import returned
from datalake_syncd.steps.growing.look import Hashed, look_at_growing
from datalake_syncd.steps.growing.watch import GrowthWatch
from datalake_syncd.steps.service import Service
from tests.steps.service import service_of
from tests.steps.test_batches import Scene

NAME, FILES = "230101_M00001_0001_000000000-AAAAA", 10


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were hashed, in order; ``bad`` in a name is a sector that can't be read."""
    found: list[str] = []
    real = tree.hash_file

    def hash_file(root: Path, path: str, *rest: Any, **more: Any) -> Any:
        found.append(path)
        if "bad" in path:
            raise SourceOffline(f"reading {path} failed: Input/output error (errno 5)")
        return real(root, path, *rest, **more)

    monkeypatch.setattr(tree, "hash_file", hash_file)
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
    (scene.project / "a.raw").write_bytes(b"other content")
    layout = KINDS["proteomics"].growing
    assert layout is not None
    hashed: Hashed = {}
    del reads[:]
    for number in range(4):
        found = look_at_growing(scene.service.context(scene.run), layout, lambda: None, hashed)
        with ledger.database.transaction():
            ledger.database.execute("UPDATE watched SET since=1.0")
        assert found.blocked is (number > 0)
    assert reads == ["a.raw"]
    (scene.project / "a.raw").write_bytes(b"again other content")
    look_at_growing(scene.service.context(scene.run), layout, lambda: None, hashed)
    with ledger.database.transaction():
        ledger.database.execute("UPDATE watched SET since=1.0")
    look_at_growing(scene.service.context(scene.run), layout, lambda: None, hashed)
    assert reads == ["a.raw", "a.raw"]
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
