"""What surrounds the service: instrument, disk, other people's hands in the lake, time, people.

`World.truth` is what the instrument last wrote and nobody but the service may lose: that is all
the knowledge that the laws need.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.tree.trash import TRASH
from datalake_syncd.core.model import Proof
from tests.model.lake import SimulatedLake, md5_of
from tests.model.machine import INSTRUMENT, Died, Machine

RUNS = ("r1", "r2")
PATHS = ("a", "big", "sub/c")
#: Two of one size and one of another, small enough for one request or sent in blocks.
CONTENTS = (b"one", b"two", b"four", b"large-content-1", b"large-content-2", b"longer-content-33")
TICK = 300.0
_MTIME = 1_700_000_000_000_000_000


@dataclass
class World:
    """All that a walk changes; everything happens through its methods."""

    machine: Machine
    lake: SimulatedLake
    other_disk: Path
    truth: dict[tuple[str, str], bytes] = field(default_factory=dict)
    #: What a file was during the step that is being done; None: not there.
    states: dict[tuple[str, str], list[bytes | None]] = field(default_factory=dict)
    changed_at: dict[str, float] = field(default_factory=dict)
    jumped_at: float | None = None
    restarted_at: float = 0.0
    ledger_lost: bool = False
    #: Somebody wrote into the lake since the step began: no list of it is of now.
    lake_touched: bool = False
    #: Folders that a person took away, or that were not ours to watch.
    taken: set[str] = field(default_factory=set)
    mounted: str = "ours"
    die_after: int | None = None
    orphan: bool = False
    meanwhile: tuple[int, Callable[[], None]] | None = None
    story: list[str] = field(default_factory=list)
    _stamp: int = 0

    # --- the instrument ---------------------------------------------------------------------

    @property
    def disk(self) -> Path:
        """The instrument's own disk, mounted or not."""
        return self.machine.root / "disk"

    def write(self, run: str, path: str, data: bytes, *, old_time: bool = False) -> None:
        """Write a file anew; ``old_time`` keeps the time of the file that it replaces."""
        file = self.place(run) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        self._stamp += 1
        mtime = _MTIME + self._stamp * 1_000_000_000
        if old_time and file.exists():
            mtime = file.stat().st_mtime_ns
        fresh = self.machine.root / "fresh"
        fresh.write_bytes(data)
        os.utime(fresh, ns=(mtime, mtime))
        fresh.replace(file)  # another inode: two changes within one tick of the kernel's clock
        self._now(run, path, data)

    def delete(self, run: str, path: str) -> None:
        """The instrument's own software takes a file away."""
        file = self.place(run) / path
        if file.exists():
            file.unlink()
            self._now(run, path, None)

    def take_away(self, run: str) -> None:
        """A person puts the folder aside, or back into its place."""
        here, aside = self.disk / run, self.disk / f".aside-{run}"
        if here.exists() and not aside.exists():
            here.rename(aside)
            self.taken.add(run)
        elif aside.exists() and not here.exists():
            aside.rename(here)

    def stray(self, run: str) -> None:
        """A program that still has the folder open writes a file that nobody carried."""
        for folder in self.trashed(run):
            (folder / "stray").write_bytes(b"stray")
            self._now(run, "stray", b"stray")

    def rewrite_in_trash(self, run: str, path: str, data: bytes) -> None:
        for folder in self.trashed(run):
            # With a folder in its place too, the truth is about that one.
            if (folder / path).exists() and not self.place(run).exists():
                fresh = self.machine.root / "fresh"
                fresh.write_bytes(data)
                fresh.replace(folder / path)
                self._now(run, path, data)

    def _now(self, run: str, path: str, data: bytes | None) -> None:
        known = self.truth.get((run, path))
        self.states.setdefault((run, path), [known]).append(data)
        self.changed_at[run] = self.machine.elapsed
        if data is None:
            self.truth.pop((run, path), None)
        else:
            self.truth[run, path] = data

    # --- the disk ---------------------------------------------------------------------------

    def mount(self, what: str) -> None:
        """``ours``, ``nothing`` (an empty mount point), ``empty``, ``gone``, or ``other`` disk."""
        source = self.machine.source
        if source.is_symlink():
            source.unlink()
        mountpoint = self.other_disk.with_name("mountpoint")  # of another file system, and empty
        empty = self.machine.root / "empty"  # a server that gives out an empty folder
        places = (self.disk, self.other_disk, mountpoint, empty)
        target = dict(zip(("ours", "other", "nothing", "empty"), places, strict=True))
        if what in target:
            source.symlink_to(target[what])
        self.mounted = what

    def place(self, run: str) -> Path:
        """Where the instrument has the run's folder: it knows of no person who put it aside."""
        return self.disk / run

    def trashed(self, run: str) -> list[Path]:
        trash = self.disk / TRASH
        return (
            [p for p in trash.iterdir() if p.name.startswith(f"{run}.")] if trash.is_dir() else []
        )

    def on_disk(self, run: str, path: str) -> list[bytes]:
        folders = [self.disk / run, self.disk / f".aside-{run}", *self.trashed(run)]
        return [(f / path).read_bytes() for f in folders if (f / path).is_file()]

    # --- the lake ---------------------------------------------------------------------------

    def others_write(self, name: str, data: bytes, *, forge: bool) -> None:
        """Somebody overwrites a blob; ``forge`` keeps the MD5 that stood there."""
        if forge and self._just_sent(name):
            return  # the one gap that is known and accepted (DESIGN.md, "Decisions")
        old = self.lake.blobs.get(name)
        claimed = old.md5 if forge and old is not None else md5_of(data)
        self.lake.put(name, data, claimed)
        self._excuse(name)

    def _just_sent(self, name: str) -> bool:
        """Whether the service sent this blob and has not looked at it in a listing since."""
        for run in self.machine.ledger.runs.all():
            path = name.removeprefix(f"out/{run.name}/")
            file = self.machine.ledger.files.one(run.id, path)
            if path != name and file is not None and file.sent_over is not None:
                return file.proof is Proof.NONE
        return False

    def others_delete(self, name: str) -> None:
        self.lake.blobs.pop(name, None)
        self._excuse(name)

    def _excuse(self, name: str) -> None:
        """What is in the lake alone is lost by whoever destroys it there, not by the service."""
        self.lake_touched = True
        for (run, path), data in list(self.truth.items()):
            if name == blob_of(run, path) and data not in self.on_disk(run, path):
                del self.truth[run, path]

    # --- the service ------------------------------------------------------------------------

    def boundary(self, what: str) -> None:
        """The service is between two effects: others act, or it dies."""
        if self.meanwhile is not None:
            left, action = self.meanwhile
            self.meanwhile = (left - 1, action) if left > 0 else None
            if left <= 0:
                self.story.append(f"      (at: {what})")
                action()
        if self.die_after is not None:
            self.die_after -= 1
            if self.die_after < 0 and not (self.orphan and what.startswith("sent ")):
                self.die_after, self.orphan = None, False
                self.story.append(f"      the service dies at: {what}")
                raise Died

    def advance(self, steps: int) -> None:
        """Let the service look and work; if it dies on the way, it is started again."""
        self.begin_step()
        try:
            self.machine.advance(steps)
        except Died:
            self.restart()
        self.machine.elapsed += TICK

    def begin_step(self) -> None:
        self.states = {key: [data] for key, data in self.truth.items()}
        self.lake_touched = False

    def run(self, name: str) -> Run | None:
        return self.machine.ledger.runs.get(INSTRUMENT, name)

    def restart(self) -> None:
        self.machine.start()
        self.restarted_at = self.machine.elapsed

    def lose_ledger(self) -> None:
        if self.mounted == "other":
            self.mount("ours")  # a service without memory can't know that it is another one
        self.ledger_lost = True
        self.machine.lose_ledger()
        self.restarted_at = self.machine.elapsed

    def jump(self, seconds: float) -> None:
        """The wall clock is set to another time, while the service runs."""
        self.machine.service.clock.jumped()
        self.machine.wall_offset += seconds
        self.jumped_at = self.machine.elapsed


def blob_of(run: str, path: str) -> str:
    return f"out/{run}/{path}"
