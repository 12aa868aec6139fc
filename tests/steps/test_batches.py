"""Batches of a growing data set on their way into the trash and back: crashes, holds, undo."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.ledger import Ledger, Run, StaleTransition
from datalake_syncd.adapters.tree import trash, units
from datalake_syncd.adapters.tree.folders import opened
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, Stopped, UsageError
from datalake_syncd.core.kinds.growing import Placed
from datalake_syncd.core.model import FileEntry, FileStat, Status, Step
from datalake_syncd.core.pruning import PlanItem, PrunePlan
from datalake_syncd.session import load_config
from datalake_syncd.steps import requests, sighting, startup
from datalake_syncd.steps.context import Back
from datalake_syncd.steps.growing import prune
from datalake_syncd.steps.pruning import emptying
from datalake_syncd.steps.record import Recorder
from datalake_syncd.steps.service import Service
from datalake_syncd.worker import prune_now

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
    # Nothing is lost by a second try once the place is free.
    (scene.project / "a.raw").rename(scene.project / "new.raw")
    requests.undo(scene.service, scene.run, None)
    assert scene.here().items() >= FILES.items()


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
