"""Walks: actions by name and number, done one after the other, with the laws after each."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps.sighting import RETURNED
from tests.model.lake import SimulatedLake
from tests.model.laws import Broken, Laws, carried, expect
from tests.model.machine import FLAG, Died, Machine, simulated
from tests.model.world import CONTENTS, PATHS, RUNS, World, blob_of

Action = tuple[str, int]
#: In memory where there is such a place: a walk is a few hundred small files.
_FAST = Path("/dev/shm")


def _make(world: World, n: int) -> None:
    run = RUNS[n % 3 // 2]
    if world.place(run).exists() or (world.disk / f".aside-{run}").exists():
        return
    for number, path in enumerate(PATHS):
        world.write(run, path, CONTENTS[(n + 2 * number + number // 1) % len(CONTENTS)])
    if n % 5 != 4:
        world.write(run, FLAG, b"")


def _flag(world: World, n: int) -> None:
    run = RUNS[n % 4 // 3]
    if world.place(run).exists():
        world.write(run, FLAG, b"")


def _pick(n: int) -> tuple[str, str, bytes]:
    rest, run = divmod(n, 4)
    rest, path = divmod(rest, len(PATHS))
    return RUNS[run // 3], PATHS[path], CONTENTS[rest % len(CONTENTS)]


def _rewrite(world: World, n: int, *, old_time: bool = False) -> None:
    run, path, data = _pick(n)
    if (world.place(run) / path).exists():
        if old_time:  # what only the content tells: one size, one time
            size = (world.place(run) / path).stat().st_size
            data = bytes([97 + n % 26]) * size
        world.write(run, path, data, old_time=old_time)


def _late(world: World, n: int) -> None:
    run, _, data = _pick(n)
    if world.place(run).exists():
        world.write(run, f"late{n % 2}", data)


def _rename(world: World, n: int) -> None:
    run, path, _ = _pick(n)
    data = world.truth.get((run, path))
    if data is not None and (world.place(run) / path).exists():
        world.write(run, f"{path}-renamed", data)
        world.delete(run, path)


def _others_write(world: World, n: int, *, forge: bool) -> None:
    run, path, data = _pick(n)
    old = world.lake.blobs.get(blob_of(run, path))
    if forge and old is not None:
        data = bytes(len(old.data))
    world.others_write(blob_of(run, path), data, forge=forge)


def _ask(action: str) -> Callable[[World, int], None]:
    def ask(world: World, n: int) -> None:
        row = world.run(RUNS[n % 4 // 3])
        if row is not None:
            answer = world.machine.ask(action, row).splitlines()[0]
            world.story.append(f"      {answer}")
            lie = (
                "was emptied" in answer
                and not world.ledger_lost
                and any(map(carried, world.trashed(row.name)))
            )
            expect(not lie, f"{row.name} is called emptied, and lies in the trash")

    return ask


def _meanwhile(world: World, n: int) -> None:
    rest, after = divmod(n, 24)
    rest, which = divmod(rest, len(_MEANWHILE))
    name = _MEANWHILE[which]
    world.meanwhile = (after, lambda: ACTIONS[name](world, rest))
    world.story.append(f"      during what comes: {name} {rest}")


def _die(world: World, n: int) -> None:
    world.die_after, world.orphan = n % 24, n % 5 == 0


def _unmount(world: World, n: int) -> None:
    what = ("nothing", "gone", "other", "empty")[n % 4]
    # Nobody can know that it is another one if it was the first.
    known = world.run(RUNS[0]) is not None
    world.mount(what if known or what != "other" else "gone")


def _pass_time(world: World, n: int) -> None:
    world.machine.elapsed += (600.0, 4000.0, 8000.0, 90_000.0)[n % 4]


def _announced(world: World, n: int) -> None:
    world.others_delete(f"out/{RUNS[n % 4 // 3]}.{('md5', 'sync')[n % 2]}")


def _set(name: str, value: object) -> Callable[[World, int], None]:
    return lambda world, _n: setattr(world.lake, name, value)


def _advance(world: World, n: int) -> None:
    world.advance(8 if n % 4 else 2 + n // 4 % 2)


ACTIONS: dict[str, Callable[[World, int], None]] = {
    "advance": _advance,
    "advance a little": lambda world, _n: world.advance(1),
    "pass time": _pass_time,
    "make a run": _make,
    "flag": _flag,
    "rewrite": _rewrite,
    "rewrite, old time": lambda world, n: _rewrite(world, n, old_time=True),
    "late file": _late,
    "rename file": _rename,
    "delete file": lambda world, n: world.delete(*_pick(n)[:2]),
    "take away or bring back": lambda world, n: world.take_away(RUNS[n % 4 // 3]),
    "stray in trash": lambda world, n: world.stray(RUNS[n % 4 // 3]),
    "rewrite in trash": lambda world, n: world.rewrite_in_trash(*_pick(n)),
    "unmount": _unmount,
    "mount": lambda world, _n: world.mount("ours"),
    "lake down": _set("down", True),
    "lake up": _set("down", False),
    "flip a bit": _set("flips", 1),
    "lose an upload": _set("drops", 1),
    "others delete": lambda world, n: world.others_delete(blob_of(*_pick(n)[:2])),
    "others write": lambda world, n: _others_write(world, n, forge=False),
    "others forge": lambda world, n: _others_write(world, n, forge=True),
    "marker or manifest deleted": _announced,
    "hold": _ask("hold"),
    "release": _ask("release"),
    "retry": _ask("retry"),
    "undo": _ask("undo"),
    "restart": lambda world, _n: world.restart(),
    "dies soon": _die,
    "meanwhile": _meanwhile,
    "ledger lost": lambda world, _n: world.lose_ledger(),
    "clock jumps": lambda world, n: world.jump((400_000.0, -7200.0)[n % 2]),
}
_MEANWHILE = (
    "rewrite", "rewrite, old time", "late file", "delete file", "stray in trash", "unmount",
    "others delete", "others forge", "hold",
)  # fmt: skip
_WEIGHTS = {"advance": 30, "pass time": 12, "make a run": 5, "rewrite": 3, "rewrite, old time": 3,
            "dies soon": 5, "meanwhile": 5, "flip a bit": 3, "others delete": 3, "mount": 4,
            "lake up": 4, "stray in trash": 2}  # fmt: skip


_PUBLISHED: list[Action] = [("advance", 1)] * 3
#: So far walks go straight on, since few come there by chance: nowhere, published, in the trash.
_BEGINNINGS: tuple[list[Action], ...] = (
    [], _PUBLISHED, [*_PUBLISHED, ("pass time", 1), ("advance", 1)]
)  # fmt: skip


def walk_of(seed: int, length: int = 24, provoked_by: Collection[str] = ()) -> list[Action]:
    """The actions of one plain random walk; it begins with a run, since all is about one.

    Actions in ``provoked_by`` come far more often than others.
    """
    choice = random.Random(seed)
    names = list(ACTIONS)
    weights = [_WEIGHTS.get(name, 1) + 12 * (name in provoked_by) for name in names]
    drawn = choice.choices(names, weights, k=length)
    begun: list[Action] = [("make a run", choice.randrange(30))]
    begun += choice.choice(_BEGINNINGS)
    return [*begun, *((n, choice.randrange(1000)) for n in drawn)]


def walk(actions: Sequence[Action], other_disk: Path, *, to_the_end: bool = True) -> None:
    """Do the actions; a law that breaks is raised with the story up to there."""
    root = Path(tempfile.mkdtemp(dir=_FAST if _FAST.is_dir() else None, prefix="syncd-walk-"))
    random.seed(0)  # the jitter of pauses
    lake = SimulatedLake()
    world: World | None = None
    try:
        with simulated(lake, lambda what: world.boundary(what) if world is not None else None):
            world = _world(root, lake, other_disk)
            laws = Laws(world)
            with laws.watching():
                _walk(world, laws, actions, to_the_end=to_the_end)
    finally:
        if world is not None:
            world.machine.ledger.close()
        shutil.rmtree(root)


def _world(root: Path, lake: SimulatedLake, other_disk: Path) -> World:
    for name in ("disk", "empty"):
        (root / name).mkdir()
    (root / "source").symlink_to(root / "disk")
    machine = Machine(root, lake)
    world = World(machine, lake, other_disk)
    lake.boundary, lake.clock = world.boundary, machine.monotonic
    return world


def _walk(world: World, laws: Laws, actions: Sequence[Action], *, to_the_end: bool) -> None:
    story = world.story
    try:
        for name, number in actions:
            story.append(f"{world.machine.elapsed:9.0f} s  {name} {number}")
            laws.before()
            try:
                ACTIONS[name](world, number)
            except Died:  # in the middle of what a person asked for
                world.restart()
            laws.check()
            story.extend(f"      {line}" for line in _told(world))
        if to_the_end:
            _end(world, laws)
    except Broken as broken:
        told = [str(broken), "the walk:", *story, *_told(world)]
        raise AssertionError("\n".join(told)) from None


def _told(world: World) -> list[str]:
    return [
        f"{run.name}: {run.done}, {run.status}, generation {run.generation}: {run.reason}"
        for run in world.machine.ledger.runs.all()
    ]


# --- the end: faults stop, and everything comes to rest ----------------------------------------


def _end(world: World, laws: Laws) -> None:
    """Faults stop: every run ends published in bounded steps, and then nothing is written."""
    world.story.append("      --- from here on nothing goes wrong any more")
    _calm(world)
    standing, turns = "", 0
    for turn in range(40):
        laws.before()
        world.advance(20)
        # Twelve hours: over every time that something waits for, alarms and looks included.
        world.machine.elapsed += 43_200.0
        laws.check()
        turns = turns + 1 if "".join(_told(world)) == standing else 0
        standing = "".join(_told(world))
        for row in world.machine.ledger.runs.all():
            if row.status is Status.BLOCKED:
                world.machine.ask(("retry", "release")[turn % 2], row)
        if turns == 3:
            break
    writes = world.lake.writes
    for _ in range(3):
        world.advance(20)
    expect(world.lake.writes == writes, "a finished world is written to (I21)")
    for run in RUNS:
        _ended(world, run)


def _calm(world: World) -> None:
    world.die_after = world.meanwhile = None
    world.lake.down, world.lake.flips, world.lake.drops = False, 0, 0
    world.mount("ours")
    for run in RUNS:
        if (world.disk / f".aside-{run}").exists():
            world.take_away(run)
        if world.place(run).exists() and not (world.place(run) / FLAG).exists():
            world.write(run, FLAG, b"")
        row = world.run(run)
        if row is not None and row.hold_reason is not None:
            world.machine.ask("release", row)


def _ended(world: World, run: str) -> None:
    row = world.run(run)
    if not world.place(run).exists() or row is None:
        expect(row is not None or not world.place(run).exists(), f"{run} was never seen (I16)")
        return
    if row.status is Status.BLOCKED and (row.reason or "").startswith(RETURNED):
        return  # which of both it is, only a person knows
    told = f"{run} never got through (I16): {row.done}, {row.status}: {row.reason}"
    expect(row.done in (Step.PUBLISH, Step.PRUNE), told)
    # Nobody looks after the marker of a run that is pruned, should others delete it.
    marked = f"out/{run}.sync" in world.lake.blobs or row.done is Step.PRUNE
    expect(marked, f"{run} has no marker (I16)")
