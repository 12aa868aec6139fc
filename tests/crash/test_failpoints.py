"""kill -9 at every place that the service knows, then again without: the end is the same.

The loop is over the whole enum. A point that the plain road of a run does not come by has a way of
its own in ``WAYS``, or belongs to growing data sets; without either its test fails.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from datalake_syncd.adapters.failpoints import FailPoint
from datalake_syncd.adapters.ledger import LEDGER
from datalake_syncd.adapters.ledger.schema import MIGRATIONS
from datalake_syncd.core.model import Proof
from tests.crash.scene import ONLY_GROWING, PREFIX, Picture, Scene
from tests.e2e.lab import MISEQ, tree_of
from tests.mail_server import Inbox, mail_server

SHEET, MANIFEST, INFO = (f"{PREFIX}{rest}" for rest in ("/SampleSheet.csv", ".md5", "/RunInfo.xml"))
STRANGE = b"what somebody else put there"

Way = Callable[[Scene, Picture, FailPoint], None]


def on_the_road(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """From the first look to the emptied trash; dies at the point, and goes on."""
    scene.once(point)
    scene.once()
    scene.picture().expect_like(undisturbed)


def sheet_kept_twice(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    scene.once(point)
    scene.once()
    # Nothing tells that the snapshot was taken by us: one more costs nothing.
    scene.picture().expect_like(undisturbed, snapshots={SHEET: 2})


def over_a_strangers_blob(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """Something else lies where a file goes: it is kept, and written over once."""
    scene.lab.client.upload_blob(INFO, STRANGE)
    scene.once(point)
    scene.once()
    # After the note that it is kept nothing is kept again.
    kept = 2 if point is FailPoint.SNAPSHOT_TAKEN else 1
    scene.picture().expect_like(undisturbed, snapshots={SHEET: 1, INFO: kept})
    assert STRANGE in scene.versions(INFO)


def over_a_strangers_manifest(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    scene.lab.client.upload_blob(MANIFEST, STRANGE)
    scene.once(point)
    scene.once()
    scene.picture().expect_like(undisturbed, snapshots={SHEET: 1, MANIFEST: 2})
    assert STRANGE in scene.versions(MANIFEST)


def with_a_blob_that_was_there(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """Equal, and nobody saw it arrive: it is read back, not sent."""
    scene.lab.client.upload_blob(INFO, scene.files["RunInfo.xml"])
    before = scene.lab.blobs()[INFO].etag
    scene.once(point)
    scene.once()
    scene.picture().expect_like(undisturbed)
    assert scene.lab.blobs()[INFO].etag == before


def with_a_sheet_that_was_there(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """Somebody attached the lab's sheet before: it is recognised and stays as it is."""
    scene.lab.client.upload_blob(SHEET, scene.sheet)
    before = scene.lab.blobs()[SHEET].etag
    scene.once(point)
    scene.once()
    # The instrument's own never lay there: it is sent to its other name, not moved and read back.
    proofs = {**undisturbed.proofs, "SampleSheet.csv": Proof.CHECKED}
    scene.picture().expect_like(replace(undisturbed, proofs=proofs), snapshots={})
    assert scene.lab.blobs()[SHEET].etag == before


def learned_from_the_lake(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """The ledger is lost after all was freed: the run is learned once, nothing is written."""
    scene.once()
    shutil.rmtree(scene.lab.state)
    before = {name: blob.etag for name, blob in scene.lab.blobs().items()}
    scene.once(point)
    scene.once()
    assert {name: blob.etag for name, blob in scene.lab.blobs().items()} == before
    row = scene.lab.the_run()
    for name in ("done", "status", "generation", "outcome"):
        assert str(getattr(row, name)) == str(undisturbed.run[name]), name
    assert scene.lab.events() == ["ledger.rederived"]


def rescued(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """The lake loses a blob of a run in the trash: the run is brought back and carried again."""
    scene.once(FailPoint.RECORD_PRUNE)
    scene.lose("RunInfo.xml")
    scene.once(point)
    assert tree_of(scene.place) == scene.files
    scene.finish()
    scene.picture().expect_like(undisturbed, events=("run.sighted",))


def undone(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """A person wants the run back: it is in its place and held, whenever it is cut off."""
    scene.once(FailPoint.RECORD_PRUNE)
    died = scene.lab.call("undo", MISEQ, expect=-9, SYNCD_FAILPOINT=point.value)
    assert f"died at {point}" in died.stderr
    scene.assert_law()
    scene.once()  # the request is still open: it is answered now
    assert tree_of(scene.place) == scene.files
    assert scene.lab.events().count("person.undo") == 1
    assert scene.lab.the_run().shown_status == "held"
    scene.lab.call("release", MISEQ)
    scene.once()
    scene.picture().expect_like(undisturbed, events=("run.sighted", "run.published"))


def migrated(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """The ledger is of an older version; this one dies while it brings it up to date."""
    scene.once(FailPoint.RECORD_TRANSFER)
    later = "\n".join(itertools.chain.from_iterable(MIGRATIONS[2:]))
    assert "ALTER" not in later, "take more away than tables"
    with sqlite3.connect(scene.lab.state / LEDGER) as old:
        for table in reversed(re.findall(r"CREATE TABLE (\w+)", later)):
            old.execute(f"DROP TABLE {table}")
        old.execute("PRAGMA user_version=2")
    old.close()
    scene.once(point)
    with sqlite3.connect(scene.lab.state / LEDGER) as still:
        assert still.execute("PRAGMA user_version").fetchone() == (2,), "all of it or nothing"
    still.close()
    scene.once()
    scene.picture().expect_like(undisturbed)
    with sqlite3.connect(scene.lab.state / f"{LEDGER}.before-schema-3") as copy:
        assert copy.execute("SELECT name, done FROM runs").fetchall() == [(MISEQ, "transfer")]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()


def mailed(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """A run that needs a person: the mail gets there, and whoever gets it twice can tell."""
    pipe = scene.place / "pipe"
    os.mkfifo(pipe)
    inbox = Inbox()
    with mail_server(inbox) as port:
        scene.lab.configure(
            mail=[
                'recipients = ["lab@example.org"]', 'host = "127.0.0.1"', f"port = {port}",
                'security = "none"',
            ]
        )  # fmt: skip
        scene.once(point)
        assert len(inbox.mails) == (point is FailPoint.MAIL_TAKEN)
        pipe.unlink()
        scene.once()
    first, *more = [mail for mail in inbox.mails if not str(mail["Subject"]).startswith("Re:")]
    assert {mail["Message-ID"] for mail in more} <= {first["Message-ID"]}
    assert len(more) == (point is FailPoint.MAIL_TAKEN)
    scene.picture().expect_like(undisturbed)


def scrubbed(scene: Scene, undisturbed: Picture, point: FailPoint) -> None:
    """What the lake holds is read again: nothing but what is known of it changes by that."""
    scene.once()
    died = scene.lab.call("scrub", expect=-9, SYNCD_FAILPOINT=point.value)
    assert f"died at {point}\n" in died.stderr
    scene.assert_law()
    scene.lab.call("scrub")
    scene.picture().expect_like(undisturbed)


#: Points beside the plain road.
WAYS: dict[FailPoint, Way] = {
    FailPoint.MIGRATION_COPIED: migrated,
    FailPoint.MIGRATION_APPLIED: migrated,
    FailPoint.RUN_REDERIVED: learned_from_the_lake,
    FailPoint.SHEET_RECOGNISED: with_a_sheet_that_was_there,
    FailPoint.SNAPSHOT_TAKEN: over_a_strangers_blob,
    FailPoint.SENDING_NOTED: over_a_strangers_blob,
    FailPoint.READ_BACK_NOTED: with_a_blob_that_was_there,
    FailPoint.EARLIER_SHEET_KEPT: sheet_kept_twice,
    FailPoint.EARLIER_MANIFEST_KEPT: over_a_strangers_manifest,
    FailPoint.PRUNE_BROUGHT_BACK: rescued,
    FailPoint.UNDO_RENAMED: undone,
    FailPoint.REQUEST_DONE: undone,
    FailPoint.SCRUB_NOTED: scrubbed,
    FailPoint.MAIL_QUEUED: mailed,
    FailPoint.MAIL_TAKEN: mailed,
}
ROAD = [point for point in FailPoint if point not in WAYS and point not in ONLY_GROWING]
EVERY = [point for point in FailPoint if point not in ONLY_GROWING]


@pytest.mark.parametrize("point", EVERY)
def test_a1_a2_a3_a4_a5_a6_a7_b12_a_crash_there_changes_nothing_in_the_end(
    scene: Scene, undisturbed: Picture, point: FailPoint
) -> None:
    WAYS.get(point, on_the_road)(scene, undisturbed, point)


def sequences(seed: int, count: int) -> list[list[FailPoint]]:
    """Points in the order of the road, two or three of them."""
    source = random.Random(seed)
    return [
        sorted(source.sample(ROAD, source.choice((2, 3))), key=ROAD.index) for _ in range(count)
    ]


@pytest.mark.parametrize(
    "points",
    [[FailPoint.AZCOPY_ENDED, FailPoint.EFFECT_VERIFY], *sequences(20250101, 3)],
    ids=lambda points: "+".join(points),
)
def test_a4_several_crashes_change_nothing_in_the_end(
    scene: Scene, undisturbed: Picture, points: list[FailPoint]
) -> None:
    # A later point may lie in what the earlier try had finished already.
    fired = [scene.once(point, must_fire=False) for point in points]
    assert fired[0]
    scene.once()
    scene.picture().expect_like(undisturbed)


def test_a6_crashes_on_the_way_to_the_next_generation(scene: Scene) -> None:
    """The lab edits its sheet after publishing: one more version of each, however often it dies."""
    scene.lab.configure(instruments__miseq__prune=["enabled = false"])
    scene.once()
    scene.sheet += b"and one more sample\n"
    (scene.lab.sheets() / f"{MISEQ}.csv").write_bytes(scene.sheet)
    before = scene.picture()
    scene.between_generations = True
    with scene.lab.daemon(SYNCD_FAILPOINT=FailPoint.EFFECT_ATTACH_SHEET.value) as daemon:
        assert daemon.process.wait(60) == -9  # an edit is seen by the tenth scan
    scene.assert_law()
    scene.once(FailPoint.MANIFEST_WRITTEN)
    scene.between_generations = False
    scene.once(FailPoint.EFFECT_PUBLISH)
    scene.once()
    after = scene.picture()
    assert after.run["generation"] == 2
    assert (after.run["done"], after.run["status"]) == ("publish", "finished")
    assert after.blobs[f"{PREFIX}/SampleSheet.csv"] == scene.sheet
    assert b"generation: 2\n" in after.blobs[f"{PREFIX}.sync"]
    again = {f"{PREFIX}/SampleSheet.csv": 2, f"{PREFIX}.md5": 1, f"{PREFIX}.sync": 1}
    assert after.snapshots == again
    changed = {name for name in after.blobs if after.blobs[name] != before.blobs.get(name)}
    assert changed == set(again)


@pytest.mark.parametrize("point", [FailPoint.PRUNE_RENAMED, FailPoint.TRASH_FILE_UNLINKED])
def test_a7_the_daemon_dies_and_goes_on_too(
    scene: Scene, undisturbed: Picture, point: FailPoint
) -> None:
    """Its scans and its workers run side by side, other than in a single pass."""
    with scene.lab.daemon(SYNCD_FAILPOINT=point.value) as daemon:
        assert daemon.process.wait(60) == -9
    scene.assert_law()
    with scene.lab.daemon() as daemon:
        scene.lab.wait_for(lambda: scene.lab.the_run().emptied_at is not None)
    assert daemon.process.returncode == 0
    scene.assert_law()
    scene.picture().expect_like(undisturbed)
