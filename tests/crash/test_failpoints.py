"""kill -9 at every place that the service knows, then again without: the end is the same."""

from __future__ import annotations

import random

import pytest

from datalake_syncd.adapters.failpoints import FailPoint
from tests.crash.scene import PREFIX, Picture, Scene
from tests.e2e.lab import MISEQ, tree_of

#: Points beside the plain road, each with a test of its own below.
ASIDE = {FailPoint.PRUNE_BROUGHT_BACK, FailPoint.UNDO_RENAMED}
ROAD = [point for point in FailPoint if point not in ASIDE]


@pytest.mark.parametrize("point", ROAD)
def test_a_crash_there_changes_nothing_in_the_end(
    scene: Scene, undisturbed: Picture, point: FailPoint
) -> None:
    scene.once(point)
    scene.once()
    scene.picture().expect_like(undisturbed)


def test_a_crash_while_a_run_is_brought_back_for_the_lake(
    scene: Scene, undisturbed: Picture
) -> None:
    scene.once(FailPoint.RECORD_PRUNE)
    scene.lose("RunInfo.xml")
    scene.once(FailPoint.PRUNE_BROUGHT_BACK)
    assert tree_of(scene.place) == scene.files
    scene.finish()
    scene.picture().expect_like(undisturbed, events=("run.sighted",))


def test_a_crash_in_undo_leaves_the_run_in_its_place_and_held(
    scene: Scene, undisturbed: Picture
) -> None:
    scene.once(FailPoint.RECORD_PRUNE)
    scene.lab.call("undo", MISEQ, expect=-9, SYNCD_FAILPOINT=FailPoint.UNDO_RENAMED.value)
    scene.once()  # the request is still open: it is answered now
    assert tree_of(scene.place) == scene.files
    assert "person.undo" in scene.lab.events()
    assert scene.lab.the_run().shown_status == "held"
    scene.lab.call("release", MISEQ)
    scene.once()
    scene.picture().expect_like(undisturbed, events=("run.sighted", "run.published"))


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
def test_several_crashes_change_nothing_in_the_end(
    scene: Scene, undisturbed: Picture, points: list[FailPoint]
) -> None:
    # A later point may lie in what the earlier try had finished already.
    fired = [scene.once(point, must_fire=False) for point in points]
    assert fired[0]
    scene.once()
    scene.picture().expect_like(undisturbed)


def test_crashes_on_the_way_to_the_next_generation(scene: Scene) -> None:
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
def test_the_daemon_dies_and_goes_on_too(
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
