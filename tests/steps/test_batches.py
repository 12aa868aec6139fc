"""Batches of a growing data set on their way into the trash and back: crashes, holds, undo."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.ledger import Ledger, Run, StaleTransition
from datalake_syncd.adapters.logs import _EXTRA  # type: ignore[attr-defined]
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.adapters.tree import trash, units
from datalake_syncd.adapters.tree.folders import opened
from datalake_syncd.core.errors import (
    LakeUnavailable,
    NeedsPerson,
    SourceChanged,
    Stopped,
    UsageError,
)
from datalake_syncd.core.kinds.growing import Placed
from datalake_syncd.core.kinds.massspec.proteomics import ProteomicsLayout
from datalake_syncd.core.model import FileEntry, FileStat, Status, Step
from datalake_syncd.core.pruning import PlanItem, PrunePlan
from datalake_syncd.session import load_config
from datalake_syncd.steps import requests, sighting, startup
from datalake_syncd.steps.context import Back, Wait
from datalake_syncd.steps.growing import prune, watch
from datalake_syncd.steps.growing.look import changed_since_settled
from datalake_syncd.steps.growing.seeing import look_and_count
from datalake_syncd.steps.pruning import emptying
from datalake_syncd.steps.record import Recorder
from datalake_syncd.steps.service import Service
from datalake_syncd.worker import prune_now
from tests.e2e.mounts import tmpfs

NAME, BATCH = "prot0001", "prot0001.batch"
FILES = {"a.raw": b"first", "w.raw/_FUNC001.DAT": b"second"}


class Scene:
    """A published data set of two units, its ledger, and a service without threads."""

    def __init__(self, root: Path) -> None:
        self.source = root / "source"
        self.project = self.source / NAME
        for path, data in FILES.items():
            (self.project / path).parent.mkdir(parents=True, exist_ok=True)
            (self.project / path).write_bytes(data)
        (root / "secret").write_text("UseDevelopmentStorage=true")
        (root / "secret").chmod(0o600)
        (root / "state").mkdir(mode=0o700)
        config = root / "config.toml"
        config.write_text(
            f'[lake]\naccount_url = "http://127.0.0.1:10000/x"\ncontainer = "lake"\n'
            f'auth = "connection-string"\nsecret_file = "{root / "secret"}"\n'
            f'[daemon]\nstate_dir = "{root / "state"}"\n'
            f'[instruments.prot]\nkind = "proteomics"\nsource = "{self.source}"\n'
            'destination = "out"\n'
            '[instruments.prot.prune]\nenabled = true\nkeep = "0s"\ntrash = "1h"\n'
        )
        self.at_every_tick: Callable[[], object] = lambda: None
        self.ledger = Ledger(root / "state", writable=True)
        logger = logging.Logger("test")  # noqa: LOG001 - apart from the log's tree
        logger.addHandler(logging.NullHandler())
        self.service = Service(load_config(config), self.ledger, logger, wall=self.wall)
        startup.set_instruments(self.service)
        run = self.ledger.runs.add("prot", NAME, prefix="out/PROT0001", now=1.0, reason="seen")
        self.ledger.files.begin_look(run.id)
        self.ledger.growth.add_placed(
            run.id,
            [
                (
                    FileEntry(i.path, i.stat),
                    Placed(i.path, f"s/{i.path}", i.path.split("/")[0]),
                    i.md5,
                )
                for i in self.plan()
            ],
        )
        columns = {"done": Step.PUBLISH, "status": Status.FINISHED, "published_at": 2.0}
        self.ledger.settle_growing(run, (), columns, now=2.0, message="some may go")
        self.ledger.growth.mark_published(run.id, 2.0)

    def wall(self) -> float:
        self.at_every_tick()
        return time.time()

    @property
    def run(self) -> Run:
        run = self.ledger.runs.get("prot", NAME)
        assert run is not None
        return run

    @property
    def in_trash(self) -> Path:
        return self.source / trash.TRASH / BATCH

    def plan(self) -> list[PlanItem]:
        found = []
        for path in FILES:
            md5, stat = tree.hash_file(self.project, path, None)
            found.append(PlanItem(path, stat, md5, "etag"))
        return found

    def moved(self, *, freed: bool) -> None:
        """What a crash leaves right after the rename, or after its record."""
        plan = self.plan()
        run = self.ledger.intend_prune(self.run, plan, BATCH, now=3.0, message="planned")
        units.move_entries(self.source, NAME, ["a.raw", "w.raw"], BATCH)
        if freed:
            paths = [item.path for item in plan]
            self.ledger.free_units(run, paths, {"freed_at": 4.0}, now=4.0, size=1, message="freed")

    def here(self) -> dict[str, bytes]:
        files = (path for path in self.project.rglob("*") if path.is_file())
        return {str(path.relative_to(self.project)): path.read_bytes() for path in files}

    def set(self, **columns: object) -> Run:
        return self.ledger.runs.set(self.run, **columns)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


@pytest.mark.parametrize("done", [Step.PUBLISH, Step.SIGHTED])
def test_a_start_puts_back_what_a_crash_left_of_a_held_set(scene: Scene, done: Step) -> None:
    scene.moved(freed=False)
    scene.set(hold_reason="held by a person", done=done, status=Status.WAITING)
    startup.prepare(scene.service)
    assert scene.here() == FILES
    assert (scene.run.trash, scene.run.hold_reason) == (None, "held by a person")


def test_a_start_leaves_a_recorded_batch_in_the_trash(scene: Scene) -> None:
    scene.moved(freed=True)
    prune.put_back_unfinished(scene.service)
    assert scene.here() == {}
    assert scene.run.trash == BATCH


def test_a_start_believes_nothing_of_a_source_that_is_away(scene: Scene) -> None:
    scene.moved(freed=False)
    scene.source.rename(scene.source.with_name("away"))
    prune.put_back_unfinished(scene.service)
    assert scene.run.trash == BATCH


def test_undo_brings_back_what_was_cut_off_before_its_record(scene: Scene) -> None:
    scene.moved(freed=False)
    scene.set(hold_reason="held by a person")
    told = requests.undo(scene.service, scene.run, None)
    assert "2 files" in told
    assert "unlinked" not in told
    assert scene.here() == FILES
    assert scene.run.trash is None


def test_a_hold_in_the_middle_of_the_move_leaves_nothing_in_the_trash(scene: Scene) -> None:
    def hold() -> None:
        if not (scene.project / "a.raw").exists() and scene.run.hold_reason is None:
            scene.set(hold_reason="held by a person")

    scene.at_every_tick = hold
    run = scene.set(status=Status.RUNNING)
    with pytest.raises(StaleTransition):
        prune._move(scene.service.context(run), PrunePlan(tuple(scene.plan())))
    assert scene.run.hold_reason is not None
    assert scene.here() == FILES
    assert scene.run.trash is None
    assert scene.ledger.growth.freed(run.id) == {}


def test_a_hold_right_before_the_trash_is_emptied_unlinks_nothing(scene: Scene) -> None:
    scene.moved(freed=True)
    context = scene.service.context(scene.run)
    plan = scene.ledger.files.plan(scene.run.id)
    scene.set(hold_reason="held by a person while the lake was asked")
    with pytest.raises(Stopped):
        emptying.empty_by_plan(context, plan)
    assert sorted(path.name for path in scene.in_trash.rglob("*") if path.is_file()) == sorted(
        path.rpartition("/")[2] for path in FILES
    )
    scene.set(hold_reason=None)
    assert emptying.empty_by_plan(context, plan).unlinked == len(FILES)


def test_undo_tells_what_was_unlinked_already(scene: Scene) -> None:
    scene.moved(freed=True)
    (scene.in_trash / "a.raw").unlink()
    told = requests.undo(scene.service, scene.run, None)
    assert "1 files" in told
    assert "1 were unlinked already: fetch them with `restore`" in told
    assert scene.here() == {"w.raw/_FUNC001.DAT": b"second"}
    assert set(scene.ledger.growth.freed(scene.run.id)) == {"s/a.raw"}, "it is not on the disk"


def test_a_rescue_takes_no_unlinked_file_for_one_that_is_back(scene: Scene) -> None:
    scene.moved(freed=True)
    (scene.in_trash / "a.raw").unlink()
    context = scene.service.context(scene.run)
    answer = prune._rescue(context, scene.ledger.files.plan(scene.run.id), ["a.raw"])
    assert isinstance(answer, Back)
    assert "1 of 2 files" in answer.reason
    assert set(scene.ledger.growth.freed(scene.run.id)) == {"s/a.raw"}


def test_nobody_can_claim_a_run_while_it_is_brought_back(scene: Scene) -> None:
    scene.moved(freed=True)
    scene.set(status=Status.WAITING, not_before=1.0)
    claimed: list[Run | None] = []

    def claim() -> None:
        if (scene.project / "a.raw").exists() and not claimed:
            claimed.append(scene.ledger.runs.claim(time.time(), instruments=["prot"]))

    scene.at_every_tick = claim
    requests.undo(scene.service, scene.run, None)
    assert claimed == [None]
    # It rests for a while, and is asked about again by itself.
    assert scene.run.status is Status.WAITING
    assert (scene.run.not_before or 0) > time.time() + 3000
    assert scene.ledger.growth.freed(scene.run.id) == {}


def test_undo_of_a_run_that_a_worker_took_moves_nothing(scene: Scene) -> None:
    scene.moved(freed=True)
    before = scene.set(status=Status.READY)
    scene.ledger.runs.claim(time.time(), instruments=["prot"])
    with pytest.raises(StaleTransition):
        prune.undo_units(scene.service, before)
    assert scene.here() == {}


def test_an_undo_that_was_cut_off_goes_on_at_the_next_start(scene: Scene) -> None:
    scene.moved(freed=True)
    scene.set(status=Status.RUNNING, observed={"undone": True})
    units.bring_entries_back(scene.source, NAME, ["a.raw"], BATCH)
    scene.ledger.runs.give_back(5.0)
    prune.put_back_unfinished(scene.service)
    assert scene.here() == FILES
    assert (scene.run.trash, scene.run.observed) == (None, {})
    assert scene.ledger.growth.freed(scene.run.id) == {}


def test_undo_replaces_nothing_and_names_both_places(scene: Scene) -> None:
    scene.moved(freed=True)
    scene.set(status=Status.WAITING, not_before=7.0, reason="in the trash")
    (scene.project / "a.raw").write_bytes(b"new from the instrument")
    with pytest.raises(NeedsPerson) as caught:
        requests.undo(scene.service, scene.run, None)
    assert f"{NAME}/a.raw is already there" in caught.value.what
    assert f"{trash.TRASH}/{BATCH}/a.raw" in caught.value.what
    assert (scene.project / "a.raw").read_bytes() == b"new from the instrument"
    assert (scene.in_trash / "a.raw").read_bytes() == b"first"
    now = (scene.run.status, scene.run.not_before, scene.run.reason, scene.run.trash)
    assert now == (Status.WAITING, 7.0, "in the trash", BATCH)
    assert scene.run.observed == {"freed_at": 4.0}, "a command that failed leaves nothing behind"
    # Nothing is lost by a second try once the place is free.
    (scene.project / "a.raw").rename(scene.project / "new.raw")
    requests.undo(scene.service, scene.run, None)
    assert scene.here().items() >= FILES.items()


def test_an_undo_that_fails_halfway_is_gone_on_with(scene: Scene) -> None:
    scene.moved(freed=True)
    scene.set(status=Status.WAITING, not_before=7.0, reason="in the trash")
    (scene.project / "w.raw").mkdir()
    with pytest.raises(NeedsPerson):
        requests.undo(scene.service, scene.run, None)
    assert scene.here() == {"a.raw": b"first"}
    assert scene.run.observed == {"undone": True}, "what is in the trash still is not emptied"
    (scene.project / "w.raw").rmdir()
    prune.put_back_unfinished(scene.service)
    assert scene.here() == FILES
    assert (scene.run.trash, scene.run.observed) == (None, {})
    assert scene.ledger.growth.freed(scene.run.id) == {}


def test_a_rename_never_replaces(tmp_path: Path) -> None:
    for folder, data in (("one", b"1"), ("two", b"2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_bytes(data)
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        with pytest.raises(FileExistsError):
            units.rename_to_free_name("x", one, two)
        os.rename("x", "y", src_dir_fd=two, dst_dir_fd=two)
        units.rename_to_free_name("x", one, two)
    assert {p.name: p.read_bytes() for p in (tmp_path / "two").iterdir()} == {"x": b"1", "y": b"2"}


def test_a_blocked_run_is_not_pruned_on_request(scene: Scene) -> None:
    run = scene.set(status=Status.BLOCKED, reason="names: x", next_step="mend it")
    with pytest.raises(UsageError):
        prune_now(scene.service, run)
    assert (scene.run.status, scene.run.reason) == (Status.BLOCKED, "names: x")


@pytest.mark.parametrize(("freed", "done"), [(True, Step.PUBLISH), (None, Step.SIGHTED)])
def test_a_change_while_the_trash_is_emptied_is_tried_again(
    scene: Scene, freed: bool | None, done: Step
) -> None:
    if freed is not None:
        scene.moved(freed=freed)
    run = scene.set(status=Status.RUNNING)
    Recorder(scene.service, run, "prune", Step.PRUNE).failed(SourceChanged("a folder vanished"))
    assert (scene.run.done, scene.run.status) == (done, Status.WAITING)
    if freed is not None:
        assert scene.run.not_before is not None, "nothing else would ever wake it"


def test_a_published_set_that_vanishes_while_it_is_looked_at_is_gone(scene: Scene) -> None:
    scene.set(done=Step.SIGHTED, status=Status.WAITING)
    sighting.vanished(scene.service, scene.run)
    row = scene.run
    assert (row.done, row.status, row.reason) == (Step.PUBLISH, Status.FINISHED, sighting.GONE)


@pytest.mark.parametrize("how", ["pending", "new row", "written again"])
def test_what_was_not_announced_vanishes_with_an_alarm(scene: Scene, how: str) -> None:
    run = scene.set(done=Step.SIGHTED, status=Status.WAITING)
    (item, *_) = scene.plan()
    if how == "pending":
        scene.set(observed={"pending_count": 1})
    elif how == "written again":
        stat = FileStat(item.stat.size + 1, item.stat.mtime_ns, 1, item.stat.inode, 0)
        scene.ledger.growth.write_watched(run.id, [(FileEntry(item.path, stat), 5.0)], [])
    else:
        entry = FileEntry("z.raw", item.stat)
        scene.ledger.files.begin_look(run.id)
        scene.ledger.growth.add_placed(run.id, [(entry, Placed("z.raw", "s/z.raw", "z.raw"), None)])
        scene.ledger.settle_growing(run, (), {"status": Status.WAITING}, now=6.0, message="")
    sighting.vanished(scene.service, scene.run)
    assert (scene.run.status, scene.run.reason) == (Status.BLOCKED, sighting.VANISHED)


class Killed(BaseException):
    """What kill -9 leaves: nothing after it runs, no handler of ours sees it."""


class Inline:
    """Patience hands on errors, no deaths: this one has to pass through the caller's thread."""

    stuck = False

    def call(self, work: Callable[[Callable[[], None]], object]) -> object:
        return work(lambda: None)


@pytest.mark.parametrize("after", [1, 2])
def test_an_undo_that_dies_is_finished_by_the_start_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    scene.moved(freed=True)
    renamed: list[int] = []

    def die() -> None:
        renamed.append(1)
        if len(renamed) == after:
            raise Killed

    with monkeypatch.context() as deadly:
        deadly.setattr(prune, "_renamed", die)
        deadly.setattr(scene.service, "_new_patience", lambda _name: Inline())
        with pytest.raises(Killed):
            prune.undo_units(scene.service, scene.run)
    assert set(scene.ledger.growth.freed(scene.run.id)) == {"s/a.raw", "s/w.raw/_FUNC001.DAT"}
    assert "freed_at" not in scene.run.observed, "nobody may empty what a person asked for"
    startup.prepare(scene.service)
    assert scene.here() == FILES
    assert (scene.run.trash, scene.run.observed) == (None, {})
    assert scene.ledger.growth.freed(scene.run.id) == {}, "without any look at the disk"


def test_a_file_that_is_written_to_while_it_is_pruned_comes_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instrument still has it open: what it writes lands in the trash."""
    open_still = (scene.project / "a.raw").open("ab")

    def write() -> None:
        open_still.write(b" and more")
        open_still.flush()

    plan = PrunePlan(tuple(scene.plan()))
    monkeypatch.setattr(prune, "_renamed", write)
    answer = prune._move(scene.service.context(scene.set(status=Status.RUNNING)), plan)
    open_still.close()
    assert isinstance(answer, Wait)
    assert "a.raw was written to just then" in answer.reason
    assert scene.here()["a.raw"].startswith(b"first and more")
    assert scene.here()["w.raw/_FUNC001.DAT"] == b"second"
    assert scene.run.trash is None
    assert scene.ledger.growth.freed(scene.run.id) == {}


def test_only_what_has_its_time_of_change_is_in_its_place(scene: Scene) -> None:
    plan = scene.plan()
    assert units.in_place(scene.source, NAME, plan) == set(FILES)
    stat = (scene.project / "a.raw").stat()
    os.utime(scene.project / "a.raw", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    (scene.project / "w.raw" / "_FUNC001.DAT").write_bytes(b"of another size")
    assert units.in_place(scene.source, NAME, plan) == set()


def test_nothing_is_moved_to_the_trash_of_another_file_system(scene: Scene) -> None:
    with tmpfs(scene.project, "1m"):
        (scene.project / "a.raw").write_bytes(b"first")
        with pytest.raises(NeedsPerson) as caught:
            units.move_entries(scene.source, NAME, ["a.raw"], BATCH)
        assert "a.raw lies on another file system than its trash" in caught.value.what
        assert (scene.project / "a.raw").read_bytes() == b"first"


LAYOUT = ProteomicsLayout()


def watched_since(scene: Scene, since: float) -> None:
    look_and_count(scene.service.context(scene.run), LAYOUT, lambda: None)
    entries = {path: stat for path, (stat, _) in scene.ledger.growth.watched(scene.run.id).items()}
    changed = [(FileEntry(path, stat), since) for path, stat in entries.items()]
    scene.ledger.growth.write_watched(scene.run.id, changed, [])


@pytest.mark.parametrize("why", ["it jumped", "it was ahead"])
def test_ages_that_were_counted_on_a_wrong_clock_begin_anew(scene: Scene, why: str) -> None:
    watched_since(scene, 1.0 if why == "it jumped" else time.time() + 3600)
    context = scene.service.context(scene.run)
    old = look_and_count(replace(context, clock_jumped=False), LAYOUT, lambda: None)
    assert max(old.ages.values()) > 1_000_000 if why == "it jumped" else True
    jumped = replace(context, clock_jumped=why == "it jumped")
    seen = look_and_count(jumped, LAYOUT, lambda: None)
    assert set(seen.ages) == set(FILES)
    assert all(0.0 <= age < 60.0 for age in seen.ages.values())
    kept = scene.ledger.growth.watched(scene.run.id)
    assert all(abs(since - time.time()) < 60.0 for _, since in kept.values())


def test_a_start_after_the_clock_was_set_begins_all_ages_anew(scene: Scene) -> None:
    """Also of sources that are away then: their files are looked at when the jump is forgotten."""
    startup.prepare(scene.service)
    watched_since(scene, 1.0)
    startup.prepare(scene.service)
    assert {since for _, since in scene.ledger.growth.watched(scene.run.id).values()} == {1.0}
    reading = json.loads(scene.ledger.desk.get("clock") or "")
    reading["wall"] -= 30 * 86_400
    scene.ledger.desk.put("clock", json.dumps(reading))
    startup.prepare(scene.service)
    kept = scene.ledger.growth.watched(scene.run.id)
    assert all(abs(since - time.time()) < 60.0 for _, since in kept.values())
    assert scene.service.clock.jumped()


def test_ages_are_counted_while_the_lake_is_away(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_context: object) -> None:
        raise LakeUnavailable("the lake is away")

    monkeypatch.setattr(watch, "learn_announced", away)
    scene.set(done=Step.SIGHTED, status=Status.WAITING, published_at=None)
    watch.GrowthWatch(scene.service).visit(scene.run, Patience("prot", 120))
    assert scene.run.reason == "the lake is away"
    assert set(scene.ledger.growth.watched(scene.run.id)) == set(FILES)


@pytest.mark.parametrize("how", ["rewritten", "deleted", "the same"])
def test_what_changed_since_it_settled_keeps_the_marker_back(scene: Scene, how: str) -> None:
    sql = "UPDATE files SET published_at=NULL"
    with scene.ledger.database.transaction():
        scene.ledger.database.execute(sql)
    if how == "rewritten":
        (scene.project / "a.raw").write_bytes(b"other")
    elif how == "deleted":
        (scene.project / "a.raw").unlink()
    found = changed_since_settled(scene.service.context(scene.run), LAYOUT, lambda: None)
    assert found == (None if how == "the same" else "a.raw")


class Told(list[tuple[str, str]]):
    """What a look logs as warning, by event."""

    def __init__(self, scene: Scene) -> None:
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: self.append(  # type: ignore[method-assign]
            (record.__dict__[_EXTRA][0], record.getMessage())
        )
        scene.service.logger.addHandler(handler)
        self.scene = scene
        self.watch = watch.GrowthWatch(scene.service)

    def look(self) -> Told:
        self.clear()
        self.watch._due.clear()
        self.watch.visit(self.scene.run, Patience("prot", 120))
        return self


def test_what_is_not_carried_is_told_once_whatever_settles(scene: Scene) -> None:
    told = Told(scene)
    assert told.look() == []
    (scene.project / "notes.txt").write_bytes(b"mine")
    (scene.project / "old").mkdir()
    (scene.project / "old" / "x").write_bytes(b"x")
    (scene.project / "Thumbs.db").write_bytes(b"excluded")
    (line,) = told.look()
    assert line[0] == "run.remark"
    assert "notes.txt (not-in-layout: " in line[1]
    assert "old (not-in-layout: a folder with 1 file;" in line[1]
    assert "Thumbs" not in line[1]
    assert told.look() == []
    (scene.project / "old" / "y").write_bytes(b"y")
    assert told.look() == [], "the same folder"
    notes = {note.path: note.detail for note in scene.ledger.files.notes(scene.run.id)}
    assert "a folder with 2 files" in notes["old"]
    assert "notes.txt" in notes
    (scene.project / "notes.txt").unlink()
    assert told.look() == []
    assert {n.path for n in scene.ledger.files.notes(scene.run.id)} == {"old", "Thumbs.db"}


def test_a_project_of_which_nothing_has_a_place_says_so(scene: Scene) -> None:
    for path in ("a.raw", "w.raw/_FUNC001.DAT"):
        (scene.project / path).unlink()
    scene.set(done=Step.SIGHTED, status=Status.WAITING)
    for name in ("a.txt", "b.txt"):
        (scene.project / name).write_bytes(b"no place")
    Told(scene).look()
    expected = "nothing here has a place in the lake, so nothing is carried: a.txt and 1 more"
    assert scene.run.reason == expected


@pytest.mark.parametrize("others", [0, 60])
def test_a_unit_that_vanishes_among_many_is_told(scene: Scene, others: int) -> None:
    for number in range(others):
        (scene.project / f"z{number}.raw").write_bytes(b"pending")
    (scene.project / "v.raw").write_bytes(b"never carried")
    (scene.project / "gone.d").mkdir()
    for name in ("analysis.tdf", "analysis.tdf_bin"):
        (scene.project / "gone.d" / name).write_bytes(b"never carried either")
    told = Told(scene)
    told.look()
    (scene.project / "v.raw").unlink()
    shutil.rmtree(scene.project / "gone.d")
    ((event, message),) = told.look()
    assert event == "unit.vanished"
    assert message == "gone from the source before it could be carried: gone.d, v.raw"
    assert told.look() == []


def test_a_unit_that_vanishes_behind_a_shut_gate_is_told(scene: Scene) -> None:
    told = Told(scene)
    (scene.project / "v.raw").write_bytes(b"never carried")
    for name in ("Prot1.xlsx", "PROT1.xlsx"):
        (scene.project / name).write_bytes(b"one name in the lake")
    told.look()
    assert scene.run.status is Status.BLOCKED
    (scene.project / "v.raw").unlink()
    assert [line for line in told.look() if line[0] == "unit.vanished"] == [
        ("unit.vanished", "gone from the source before it could be carried: v.raw")
    ]


def test_what_was_renamed_or_has_no_place_or_was_carried_has_not_vanished(scene: Scene) -> None:
    told = Told(scene)
    (scene.project / "v.raw").write_bytes(b"never carried")
    (scene.project / "notes.txt").write_bytes(b"no place")
    (scene.project / "b.d").mkdir()
    for name in ("analysis.tdf", "analysis.tdf_bin", "analysis.tdf-journal"):
        (scene.project / "b.d" / name).write_bytes(b"being written")
    told.look()
    (scene.project / "v.raw").rename(scene.project / "v2.raw")
    (scene.project / "notes.txt").unlink()
    (scene.project / "b.d" / "analysis.tdf-journal").unlink()
    (scene.project / "a.raw").unlink()  # as it was announced
    assert told.look() == []
