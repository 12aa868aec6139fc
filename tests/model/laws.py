"""What must hold at every moment of a walk; each breach says which promise is broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from datalake_syncd.adapters.tree import trash
from datalake_syncd.core import manifest
from datalake_syncd.core.model import Step
from datalake_syncd.steps.sighting import GONE, VANISHED
from tests.model.lake import Stored, md5_of
from tests.model.machine import FLAG, JUMP_MATTERS, KEEP, QUIET, TRASH
from tests.model.world import RUNS, World, blob_of

#: Two clocks and a request lie between us and the lake's word (seconds).
CLOCKS_DIFFER = 900.0


class Broken(BaseException):
    """A law that did not hold. No `Exception`: the service would take it for a bug of its own."""


class Laws:
    """Watches one world; `check` is to be called after every action."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._generations: dict[str, int] = {}
        self._published: dict[str, float] = {}
        self._trashed: dict[str, float] = {}
        self._settled: dict[str, float | None] = {}
        self._still: dict[str, float] = {}
        world.lake.on_write = self.written

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Also look at what is about to leave the disk."""
        move, empty = trash.move_to_trash, trash.empty

        def moving(source: Path, name: str, trash_name: str) -> None:
            self._leaving(name, name, self._published.get(name), KEEP)
            move(source, name, trash_name)
            self._trashed[name] = self._world.machine.elapsed

        def emptying(source: Path, trash_name: str, plan: Any, **more: Any) -> Any:
            run = trash_name.partition(".")[0]
            self._leaving(run, trash_name, self._trashed.get(run), TRASH)
            return empty(source, trash_name, plan, **more)

        with (
            patch.object(trash, "move_to_trash", moving),
            patch.object(trash, "empty", emptying),
        ):
            yield

    # --- at the moment ----------------------------------------------------------------------

    def written(self, name: str, before: Stored | None, after: Stored) -> None:
        """The service wrote a blob."""
        world = self._world
        if before is not None and before.data != after.data and not name.endswith(".sync"):
            kept = before in world.lake.snapshots.get(name, [])
            expect(kept or world.lake_touched, f"{name} was overwritten without a snapshot (I10)")
        if name.endswith(".sync"):
            self._marker(name, after.data)

    def _marker(self, name: str, data: bytes) -> None:
        world, run = self._world, name.removeprefix("out/").removesuffix(".sync")
        _, fields = manifest.parse_marker(data)
        listed = world.lake.blobs.get(f"out/{run}.md5")
        expect(listed is not None, f"the marker of {run} was written before its manifest (I4)")
        assert listed is not None
        told = fields["manifest-sha256"] == manifest.digest(listed.data)
        expect(told or world.lake_touched, f"the marker of {run} is of another manifest (I4)")
        md5s = {path: md5 for md5, path in manifest.parse_md5(listed.data.decode())[0]}
        for path, md5 in md5s.items():
            blob = world.lake.blobs.get(blob_of(run, path))
            there = blob is not None and md5_of(blob.data) == md5
            expect(there or world.lake_touched, f"{run} is announced, its {path} is not (I4)")
        generation = int(fields["generation"])
        expect(generation >= self._generations.get(run, 1), f"{run} went back in generation (I23)")
        self._generations[run] = generation
        self._published.setdefault(run, world.machine.elapsed)
        row = world.run(run)
        if row is not None and row.pruned_at is None and world.place(run).is_dir():
            self._as_on_disk(run, md5s)

    def _as_on_disk(self, run: str, md5s: dict[str, str]) -> None:
        world = self._world
        if world.mounted != "ours":
            return
        paths = {p for r, p in [*world.states, *world.truth] if r == run and p != "stray"}
        for path in {*paths, *md5s}:
            was = world.states.get((run, path), [None])
            possible = [None if data is None else md5_of(data) for data in was]
            found = md5s.get(path)
            expect(found in possible, f"{run} is announced with another {path} than it has (I5)")

    def _leaving(self, run: str, folder: str, since: float | None, time: float) -> None:
        world, now = self._world, self._world.machine.elapsed
        row = world.run(run)
        expect(row is not None and row.hold_reason is None, f"{run} is held, and goes")
        jumped = world.jumped_at
        # Whatever our clock says: the lake's own tells how old a marker is, to a few minutes.
        if jumped is None or folder == run:
            soon = since is not None and now - since < time - CLOCKS_DIFFER
            expect(not soon, f"{run} goes too soon (keep, trash)")
        if jumped is not None and world.restarted_at < jumped:
            expect(now - jumped >= JUMP_MATTERS, f"{run} goes by a clock that just jumped")
        if not world.lake_touched and folder == run:
            # What is in its place, that is: a person may have put another one aside.
            for of, path in world.truth:
                file, blob = world.place(run) / path, world.lake.blobs.get(blob_of(run, path))
                if of == run and file.is_file():
                    there = blob is not None and blob.data == file.read_bytes()
                    expect(there, f"{run} goes, and the lake has no such {path} (I1)")

    # --- after every action -----------------------------------------------------------------

    def before(self) -> None:
        """To be called before every action: what is still since when."""
        self._still = dict(self._world.changed_at)

    def check(self) -> None:
        world = self._world
        for (run, path), data in world.truth.items():
            blob = world.lake.blobs.get(blob_of(run, path))
            safe = (blob is not None and blob.data == data) or data in world.on_disk(run, path)
            expect(safe, f"{run}/{path} is neither on the disk nor in the lake (I1)")
        expect(not world.machine.bugs.told, "\n".join(world.machine.bugs.told))
        for name in RUNS:
            self._check_run(name)

    def _check_run(self, name: str) -> None:
        world, row = self._world, self._world.run(name)
        if row is None:
            return
        expect(row.trace is None, f"a bug: {row.trace}")
        if row.reason in (GONE, VANISHED):
            expect(name in world.taken, f"{name} is called '{row.reason}', and is not (I8)")
        if row.settled_at is not None and row.settled_at != self._settled.get(name):
            still = world.machine.elapsed - self._still.get(name, 0.0)
            expect(still >= QUIET, f"{name} settled {still:.0f} s after it was written to")
            flags = [*world.states.get((name, FLAG), []), world.truth.get((name, FLAG))]
            expect(any(f is not None for f in flags), f"{name} settled without its flag")
        self._settled[name] = row.settled_at
        known = row.tree_digest is not None  # not learned from its marker alone
        if row.done in (Step.PUBLISH, Step.PRUNE) and known:
            unknown = row.files - row.files_proven
            expect(unknown == 0, f"{name} is published, {unknown} files unproven (I7)")
        if row.emptied_at is not None and not world.ledger_lost:
            left = any(map(carried, world.trashed(name)))
            expect(not left, f"the trash of {name} is called emptied, and is not")


def carried(folder: Path) -> bool:
    """Whether a folder in the trash holds a file that was carried."""
    return any(path.is_file() for path in folder.rglob("*") if path.name != "stray")


def expect(holds: object, law: str) -> None:
    if not holds:
        raise Broken(law)
