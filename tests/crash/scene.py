"""One MiSeq run on its whole road, the law that holds at every moment, and how it all ended."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError

from datalake_syncd.adapters.failpoints import FailPoint
from datalake_syncd.core.model import Proof
from demo.sequencer import MiSeqRun
from tests.e2e.lab import MISEQ, Lab, tree_of
from tests.servers import Azurite

PREFIX = f"miseq-out/{MISEQ}"
OWN_SHEET = "SampleSheet.instrument.csv"
TRASH = ".datalake-syncd-trash"
#: Nothing waits, so that one pass goes from the first look to the emptied trash.
PRUNE = ["enabled = true", 'keep = "0s"', 'trash = "0s"']

#: Each of these is one transition of the ledger: however often the service dies, it is once.
ONCE = (
    "run.sighted",
    "run.settled",
    "transfer.finished",
    "verify.proven",
    "sheet.attached",
    "run.published",
    "prune.done",
    "trash.emptied",
)


#: Points that only a growing data set comes by; the others are for a MiSeq run.
ONLY_GROWING = (FailPoint.RENAMED_SENT, FailPoint.READY_WRITTEN, FailPoint.ENTRY_RENAMED)


@dataclass
class Scene:
    """A run with a sample sheet of its own and another one in the sheet folder."""

    lab: Lab
    prune: list[str] = field(default_factory=lambda: list(PRUNE))
    bytes_per_bcl: int = 64
    cycles: tuple[int, ...] = (2,)
    tiles: int = 1
    files: dict[str, bytes] = field(init=False)
    sheet: bytes = field(init=False)
    lost: set[str] = field(default_factory=set)
    between_generations: bool = False

    def __post_init__(self) -> None:
        self.lab.configure(instruments__miseq__prune=self.prune)
        run = MiSeqRun(
            MISEQ, cycles=self.cycles, tiles=self.tiles, bytes_per_bcl=self.bytes_per_bcl
        )
        run.write_all(self.lab.source())
        self.files = run.files()
        self.sheet = b"[Header]\nthe lab's own sheet\n" + run.sample_sheet()
        assert self.files["SampleSheet.csv"] != self.sheet
        (self.lab.sheets() / f"{MISEQ}.csv").write_bytes(self.sheet)

    # --- what is done to it -----------------------------------------------------------------

    def once(self, point: FailPoint | None = None, *, must_fire: bool = True) -> bool:
        """One pass, up to ``point`` if it is reached; the law holds after it. True: it was."""
        if point is None:
            self.lab.once()
            self.assert_law()
            return False
        done = self.lab.call("once", expect=None, SYNCD_FAILPOINT=point.value)
        expected = (-9,) if must_fire else (-9, 0)
        assert done.returncode in expected, f"{point}: {done.returncode}\n{done.stdout[-5000:]}"
        # Whatever else may kill a process here, it was not that.
        assert (f"died at {point}\n" in done.stderr) == (done.returncode == -9), done.stderr
        self.assert_law()
        return done.returncode == -9

    def finish(self) -> None:
        """Two more passes: a run that was brought back is carried again by the pass after."""
        self.once()
        self.lost.clear()
        self.once()

    def lose(self, path: str) -> None:
        """The lake loses one blob of the run: until it is found out, the marker tells too much."""
        self.lab.client.delete_blob(f"{PREFIX}/{path}")
        self.lost.add(path)

    # --- places -----------------------------------------------------------------------------

    @property
    def place(self) -> Path:
        """Where the instrument put the run."""
        return self.lab.source() / MISEQ

    @property
    def trashed(self) -> Path:
        """Where the run lies in the trash."""
        (folder,) = (self.lab.source() / TRASH).iterdir()
        return folder

    def on_disk(self) -> list[Path]:
        """The folders that hold bytes of the run: its place, and all in the trash."""
        trash = self.lab.source() / TRASH
        return [self.place, *(trash.iterdir() if trash.is_dir() else ())]

    # --- the law ----------------------------------------------------------------------------

    def assert_law(self, *, orphans: bool = False) -> None:
        """Each byte of the run is on the disk or in the lake; no marker tells too much.

        And nobody sends who was not told to, unless ``orphans`` are part of the test.
        """
        folders = self.on_disk()
        for path, data in self.files.items():
            here = any(_holds(folder / path, data) for folder in folders)
            assert here or self._in_lake(path, data), f"{path} is nowhere as it was written"
        if not self.between_generations:
            self._assert_marker_true()
        if not orphans:
            self._assert_no_azcopy()

    def _in_lake(self, path: str, data: bytes) -> bool:
        names = [path, OWN_SHEET] if path == "SampleSheet.csv" else [path]
        return any(self.read(f"{PREFIX}/{name}") == data for name in names)

    def read(self, name: str) -> bytes | None:
        """All bytes of a blob, None when it is not there."""
        try:
            return self.lab.read(name)
        except ResourceNotFoundError:
            return None

    def versions(self, name: str) -> list[bytes]:
        """The bytes of every snapshot of a blob."""
        listed = self.lab.client.list_blobs(name_starts_with=name, include=["snapshots"])
        found = [blob.snapshot for blob in listed if blob.name == name and blob.snapshot]
        clients = (self.lab.client.get_blob_client(name, snapshot=one) for one in found)
        return [client.download_blob().readall() for client in clients]

    def _assert_marker_true(self) -> None:
        marker = self.read(f"{PREFIX}.sync")
        if marker is None:
            return
        manifest = self.read(f"{PREFIX}.md5")
        assert manifest is not None, "a marker without a manifest"
        assert hashlib.sha256(manifest).hexdigest() in marker.decode()
        told = {line[34:]: line[:32] for line in manifest.decode().splitlines() if line[0] != "#"}
        for path, md5 in told.items():
            if path in self.lost:
                continue
            data = self.read(f"{PREFIX}/{path}")
            assert data is not None, f"a marker, and {path} is not in the lake"
            assert hashlib.md5(data, usedforsecurity=False).hexdigest() == md5, path
        assert set(self.files) | {OWN_SHEET} == set(told)

    def _assert_no_azcopy(self, seconds: float = 3.0) -> None:
        until = time.monotonic() + seconds
        while left := azcopies(self.lab.state):
            assert time.monotonic() < until, f"azcopy outlived the service: {left}"
            time.sleep(0.05)

    # --- the end ----------------------------------------------------------------------------

    def picture(self) -> Picture:
        """Everything that a crash must not change in the end."""
        lab = self.lab
        row = lab.the_run()
        with lab.ledger() as ledger:
            files = [file for page in ledger.files.pages(row.id) for file in page]
        versions = Counter(
            blob.name for blob in lab.client.list_blobs(include=["snapshots"]) if blob.snapshot
        )
        told = {
            "done": row.done.value,
            "status": row.shown_status.value,
            "reason": row.reason,
            "attempts": row.attempts,
            "rounds": row.rounds,
            "outcome": row.outcome.value,
            "generation": row.generation,
            "files": row.files,
            "bytes": row.bytes,
            "files_proven": row.files_proven,
            "proof": row.proof.value,
            "manifest_digest": row.manifest_digest,
            "sheet_md5": (row.sheet or {}).get("md5"),
            "trash": row.trash,
            "published": row.published_at is not None,
            "pruned": row.pruned_at is not None,
            "emptied": row.emptied_at is not None,
        }
        return Picture(
            blobs={name: _timeless(name, lab.read(name)) for name in lab.blobs()},
            snapshots=dict(versions),
            run=told,
            manifest={f.path: (f.lake_path, f.stat.size, f.md5) for f in files},
            proofs={f.path: f.proof for f in files},
            events={event: lab.events().count(event) for event in ONCE},
            disk=tree_of(lab.source()),
            folders=sorted(
                str(p.relative_to(lab.source())) for p in lab.source().rglob("*") if p.is_dir()
            ),
            scratch=sorted(p.name for p in (lab.state / "azcopy").glob("copy-*")),
        )


@dataclass(frozen=True)
class Picture:
    """How a scene ended: lake, ledger and disk, without times and ETags."""

    blobs: dict[str, bytes]
    snapshots: dict[str, int]
    run: dict[str, object]
    manifest: dict[str, tuple[str, int, str | None]]
    proofs: dict[str, Proof]
    events: dict[str, int]
    disk: dict[str, bytes]
    folders: list[str]
    scratch: list[str]

    def expect_like(
        self,
        undisturbed: Picture,
        *,
        events: Iterable[str] = ONCE,
        snapshots: dict[str, int] | None = None,
        folders: bool = True,
    ) -> None:
        """The same end, but for ``snapshots``, where they are told, and for empty ``folders``.

        Only ``events`` are compared, where others may come more than once.
        """
        assert self.run == undisturbed.run
        assert sorted(self.blobs) == sorted(undisturbed.blobs)
        for name, data in undisturbed.blobs.items():
            assert self.blobs[name] == data, name
        assert self.manifest == undisturbed.manifest
        weaker = [p for p, proof in undisturbed.proofs.items() if self.proofs[p].rank < proof.rank]
        assert not weaker, f"less is known of {weaker} than without the crash"
        assert self.snapshots == (undisturbed.snapshots if snapshots is None else snapshots)
        assert self.disk == undisturbed.disk
        assert self.folders == undisturbed.folders or not folders
        assert self.scratch == []
        for event in events:
            assert self.events[event] == undisturbed.events[event], event


def make_scene(folder: Path, azurite: Azurite, container: str) -> Scene:
    """A scene in a folder of its own."""
    return Scene(Lab(folder, azurite, container, kinds={"miseq": "miseq"}))


def azcopies(state: Path) -> list[int]:
    """Processes other than this one that name the state folder on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # gone meanwhile
        if b"azcopy" in command and os.fsencode(state) in command:
            found.append(int(entry.name))
    return found


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _timeless(name: str, data: bytes) -> bytes:
    return data.split(b"\n", 1)[1] if name.endswith(".sync") else data
