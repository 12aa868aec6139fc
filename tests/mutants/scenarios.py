"""A scenario for each mutant: real azcopy, real Azurite, and a check that guards data.

Each function goes through its scenario with whatever program the laboratory runs, and ends in
assertions that hold with the real one.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContentSettings

from datalake_syncd.adapters.failpoints import FailPoint
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core import manifest
from datalake_syncd.steps.sighting import GONE
from tests.e2e.lab import Lab, tree_of
from tests.proxy import Proxy, Request, Times, flipped

NAME = "r1"
OUT = f"drop-out/{NAME}"
TRASH = ".datalake-syncd-trash"
MIB = 1 << 20


@dataclass
class Laboratory(Lab):
    """One drop folder, carried by the program that `mutant` names."""

    mutant: str = "real"

    def command(self, *arguments: str) -> list[str]:
        launcher = [sys.executable, "-m", "tests.mutants.run", self.mutant]
        return [*launcher, "--", "--config", str(self.config), *arguments]

    # --- what happens -----------------------------------------------------------------------

    def write(self, path: str, data: bytes) -> None:
        """Write a file of the run; a file that is there keeps its time."""
        place = self.place / path
        old = place.stat() if place.exists() else None
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        if old is not None:
            os.utime(place, ns=(old.st_atime_ns, old.st_mtime_ns))

    def make(self, big: int = 0) -> dict[str, bytes]:
        """A run of two files, and of one that goes up in blocks."""
        self.configure(azcopy=["put_blob_mb = 1"])
        self.write("a", b"first content")
        self.write("sub/c", b"content of c")
        if big:
            self.write("big", os.urandom(big))
        return tree_of(self.place)

    def carry(self) -> None:
        """One pass; whether it needs a person is not what these tests are about."""
        self.once(expect=None)

    def die(self, point: FailPoint) -> None:
        self.once(expect=-9, SYNCD_FAILPOINT=point.value)

    def prune(self, keep: str = "0s", trash: str = "0s") -> None:
        lines = ["enabled = true", f'keep = "{keep}"', f'trash = "{trash}"']
        self.configure(instruments__drop__prune=lines)

    def forge(self, path: str, data: bytes) -> None:
        """Others overwrite a blob and claim the MD5 that stood there."""
        blob = self.client.get_blob_client(f"{OUT}/{path}")
        stood = blob.get_blob_properties().content_settings.content_md5
        blob.upload_blob(data, overwrite=True)
        blob.set_http_headers(ContentSettings(content_md5=stood))

    # --- what is there ----------------------------------------------------------------------

    @property
    def place(self) -> Path:
        return self.source("drop") / NAME

    @property
    def row(self) -> Run:
        return self.the_run(NAME, "drop")

    def runs(self) -> list[Run]:
        with self.ledger() as ledger:
            return ledger.runs.all()

    def in_trash(self) -> Path:
        (folder,) = (self.source("drop") / TRASH).iterdir()
        return folder

    def in_lake(self, name: str) -> bytes | None:
        try:
            return self.read(name)
        except ResourceNotFoundError:
            return None

    # --- what must hold ---------------------------------------------------------------------

    def expect_law(self, files: dict[str, bytes]) -> None:
        """Each byte of the run is on the source disk or in the lake."""
        trash = self.source("drop") / TRASH
        folders = [self.place, *(trash.iterdir() if trash.is_dir() else ())]
        for path, data in files.items():
            here = any((f / path).is_file() and (f / path).read_bytes() == data for f in folders)
            assert here or self.in_lake(f"{OUT}/{path}") == data, f"{path} is lost"

    def announced(self) -> dict[str, str] | None:
        """Path and MD5 of what marker and manifest tell; None without a marker."""
        marker, listed = self.in_lake(f"{OUT}.sync"), self.in_lake(f"{OUT}.md5")
        if marker is None:
            return None
        assert listed is not None, "a marker without a manifest"
        assert manifest.digest(listed).encode() in marker, "a marker of another manifest"
        return {path: md5 for md5, path in manifest.parse_md5(listed.decode())[0]}

    def expect_true_marker(self) -> None:
        """What is announced is in the lake, read back byte for byte."""
        for path, md5 in (self.announced() or {}).items():
            data = self.in_lake(f"{OUT}/{path}")
            assert data is not None, f"{path} is announced, and not in the lake"
            assert _md5(data) == md5, f"{path} is announced with other bytes than the lake has"

    def expect_published(self) -> None:
        """Announced as it is on the disk, and in the lake."""
        here = {path: _md5(data) for path, data in tree_of(self.place).items()}
        assert self.announced() == here
        self.expect_true_marker()


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


# --- proof ------------------------------------------------------------------------------------


def claim_is_proof(lab: Laboratory) -> None:
    """A bit flips in one block on its way; azcopy ends well and the stored MD5 equals ours."""
    lab.make(big=9 * MIB)  # of two blocks: one alone would go up like a small file
    once = Times(1)

    def rule(request: Request) -> None:
        if request.block and once():
            request.body = flipped(request.body)

    with Proxy(lab.azurite.host, rule) as proxy:
        lab.account_url = proxy.account_url
        lab.configure()
        lab.carry()
    lab.expect_published()


def ours_for_ever(lab: Laboratory) -> None:
    """Others write other bytes over a proven blob and claim the MD5 that stood there."""
    files = lab.make()
    lab.carry()
    lab.forge("a", b"other content")
    lab.prune()
    lab.carry()
    lab.expect_law(files)


def exit_code_is_proof(lab: Laboratory) -> None:
    """The lake says "created" and keeps nothing."""
    lab.make()
    once = Times(1)

    def rule(request: Request) -> None:
        if request.put_blob and request.path.endswith(f"{OUT}/a") and once():
            request.status = 201

    with Proxy(lab.azurite.host, rule) as proxy:
        lab.account_url = proxy.account_url
        lab.configure()
        lab.carry()
    lab.expect_published()


# --- settling ---------------------------------------------------------------------------------


def size_and_time(lab: Laboratory) -> None:
    """Published; then a file is written anew with its old size and time."""
    lab.make()
    lab.carry()
    lab.write("a", b"other content")
    lab.once(expect=None, SYNCD_LOOK_AGAIN="0")
    lab.carry()
    lab.expect_published()


def one_look(lab: Laboratory) -> None:
    """A run that was written just now is not settled before it was still for the quiet time."""
    lab.configure(instruments__drop=['quiet = "3s"'])
    lab.make()
    lab.carry()
    lab.expect_published()
    with lab.ledger() as ledger:
        (sighted,) = ledger.runs.events_since(0, "run.sighted")
        (settled,) = ledger.runs.events_since(0, "run.settled")
    assert settled.at - sighted.at >= 3, "settled without having been still"


def no_flag(lab: Laboratory) -> None:
    """The instrument has not said that it is complete."""
    lab.configure(instruments__drop=['completion_flags = ["done.flag"]'])
    lab.make()
    lab.carry()
    assert lab.announced() is None, "announced before its time"


def unmount_is_deletion(lab: Laboratory) -> None:
    """The share is away: what stands in its place is empty."""
    lab.make()
    lab.carry()
    source = lab.source("drop")
    source.rename(source.with_name("away"))
    source.mkdir()
    lab.carry()
    assert lab.row.reason != GONE, "an absent share was read as a run taken away"


# --- publishing -------------------------------------------------------------------------------


def no_look_before_marker(lab: Laboratory) -> None:
    """A file is written anew after everything was proven, right before the marker."""
    lab.make()
    lab.die(FailPoint.BEFORE_PUBLISH)
    lab.write("a", b"other content")
    lab.carry()
    lab.expect_published()


def no_list_before_marker(lab: Laboratory) -> None:
    """The lake loses a blob after everything was proven, right before the marker."""
    lab.make()
    lab.die(FailPoint.BEFORE_PUBLISH)
    lab.client.delete_blob(f"{OUT}/a")
    lab.carry()
    lab.expect_true_marker()


def marker_first(lab: Laboratory) -> None:
    """Death between manifest and marker."""
    lab.make()
    lab.die(FailPoint.MANIFEST_WRITTEN)
    lab.expect_true_marker()


def no_snapshot(lab: Laboratory) -> None:
    """What somebody else put there is overwritten, and stays as a snapshot."""
    lab.make()
    lab.client.upload_blob(f"{OUT}/a", b"of somebody else")
    lab.carry()
    lab.expect_published()
    kept = [blob for blob in lab.client.list_blobs(include=["snapshots"]) if blob.snapshot]
    assert [blob.name for blob in kept] == [f"{OUT}/a"], "no version of it stays"


# --- pruning ----------------------------------------------------------------------------------


def no_rehash(lab: Laboratory) -> None:
    """Published; a file is written anew with its old size and time; then pruning is allowed."""
    files = lab.make()
    lab.carry()
    lab.write("a", b"other content")
    lab.prune()
    lab.carry()
    lab.expect_law({**files, "a": b"other content"})


def no_list_before_trash(lab: Laboratory) -> None:
    """The lake lost a blob; then pruning is allowed."""
    files = lab.make()
    lab.carry()
    lab.client.delete_blob(f"{OUT}/a")
    lab.prune(trash="1h")
    lab.carry()
    gone = [p for p in files if not (lab.place / p).exists() and lab.in_lake(f"{OUT}/{p}") is None]
    assert not gone, f"{gone} went to the trash without being in the lake"


def no_list_before_unlink(lab: Laboratory) -> None:
    """The lake loses a blob while the run is in the trash, whose time then ends."""
    files = lab.make()
    lab.prune(trash="1h")
    lab.carry()
    assert lab.in_trash().is_dir()
    lab.client.delete_blob(f"{OUT}/a")
    lab.prune(keep="1h")
    lab.carry()
    lab.expect_law(files)


def rmtree(lab: Laboratory) -> None:
    """A program that still had the folder open wrote a file into the trash."""
    files = lab.make()
    lab.prune(trash="1h")
    lab.carry()
    (lab.in_trash() / "sub" / "stray").write_bytes(b"nobody carried this")
    lab.prune()
    lab.carry()
    lab.expect_law({**files, "sub/stray": b"nobody carried this"})


def unlinks_by_name(lab: Laboratory) -> None:
    """A program that still had a file open wrote to it in the trash."""
    files = lab.make()
    lab.prune(trash="1h")
    lab.carry()
    (lab.in_trash() / "a").write_bytes(b"other content")
    lab.prune()
    lab.carry()
    lab.expect_law({**files, "a": b"other content"})


def keeps_nothing(lab: Laboratory) -> None:
    """Pruning is allowed after an hour."""
    files = lab.make()
    lab.prune(keep="1h")
    lab.carry()
    lab.carry()
    assert tree_of(lab.place) == files, "it went before its time"


def wall_clock_alone(lab: Laboratory) -> None:
    """The wall clock of the running service jumps ahead by a month while a run is in the trash."""
    files = lab.make()
    lab.prune(trash="1d")
    clock = lab.root / "clock"
    with lab.daemon(MUTANT_CLOCK=str(clock)):
        lab.wait_for(lambda: (lab.source("drop") / TRASH).is_dir())
        lab.wait_for(lambda: lab.row.pruned_at is not None)
        clock.write_text(f"{30 * 86_400}")
        lab.wait_for(lambda: lab.row.emptied_at or "clock jumped" in (lab.row.reason or ""))
    kept = [tree_of(folder) for folder in (lab.source("drop") / TRASH).iterdir()]
    assert kept == [files], "a clock that jumped ended its time"


SCENARIOS: dict[str, Callable[[Laboratory], None]] = {
    scenario.__name__.replace("_", "-"): scenario
    for scenario in (
        claim_is_proof, ours_for_ever, exit_code_is_proof, size_and_time, one_look, no_flag,
        unmount_is_deletion, no_look_before_marker, no_list_before_marker, marker_first,
        no_snapshot, no_rehash, no_list_before_trash, no_list_before_unlink, rmtree,
        unlinks_by_name, keeps_nothing, wall_clock_alone,
    )
}  # fmt: skip
