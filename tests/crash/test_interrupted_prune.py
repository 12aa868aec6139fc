"""The service dies while it prunes, and before it starts again the world changes as well."""

from __future__ import annotations

import pytest

from datalake_syncd.adapters.failpoints import FailPoint
from tests.crash.scene import PREFIX, Picture, Scene
from tests.e2e.lab import tree_of

WHOLE = [
    FailPoint.PRUNE_INTENDED,
    FailPoint.PRUNE_RENAMED,
    FailPoint.EFFECT_PRUNE,
    FailPoint.RECORD_PRUNE,
    FailPoint.BEFORE_TRASH,
]


@pytest.mark.parametrize("point", WHOLE)
def test_a7_a_blob_that_the_lake_lost_meanwhile_is_sent_again(
    scene: Scene, undisturbed: Picture, point: FailPoint
) -> None:
    scene.once(point)
    scene.lose("RunInfo.xml")
    scene.finish()
    assert scene.read(f"{PREFIX}/RunInfo.xml") == scene.files["RunInfo.xml"]
    # Several events come twice: the run goes a part of the road again.
    scene.picture().expect_like(undisturbed, events=("run.sighted",))


@pytest.mark.parametrize("lost", ["RunInfo.xml", "Basecalling_Netcopy_complete.txt"])
def test_a7_a_blob_lost_in_the_middle_of_emptying_stops_it(scene: Scene, lost: str) -> None:
    """Some files are unlinked: what is left must stay, and no smaller run be made of it."""
    scene.once(FailPoint.TRASH_FILE_UNLINKED)
    here = {path for path in scene.files if (scene.trashed / path).is_file()}
    assert len(here) == len(scene.files) - 1
    assert ("RunInfo.xml" in here, "Basecalling_Netcopy_complete.txt" in here) == (True, False)
    manifest = scene.read(f"{PREFIX}.md5")
    marker = scene.read(f"{PREFIX}.sync")
    data = scene.read(f"{PREFIX}/{lost}")
    assert data is not None
    scene.lose(lost)
    for _ in range(2):
        scene.lab.once(expect=1)
        row = scene.lab.the_run()
        assert row.status == "blocked"
        assert lost in (row.reason or "")
        assert {path for path in scene.files if (scene.trashed / path).is_file()} == here
        assert (scene.read(f"{PREFIX}.md5"), scene.read(f"{PREFIX}.sync")) == (manifest, marker)


@pytest.mark.parametrize("point", [FailPoint.PRUNE_RENAMED, FailPoint.EFFECT_PRUNE])
def test_a7_a_file_that_was_written_to_meanwhile_brings_the_run_back(
    scene: Scene, point: FailPoint
) -> None:
    """The instrument had it open: the rename takes nothing away from it."""
    scene.once(point)
    with (scene.trashed / "InterOp/QMetricsOut.bin").open("ab") as file:
        file.write(b"and more")
    scene.files["InterOp/QMetricsOut.bin"] += b"and more"
    scene.lab.once()
    scene.once()
    row = scene.lab.the_run()
    assert (row.generation, row.status, row.trash) == (2, "finished", None)
    assert scene.read(f"{PREFIX}/InterOp/QMetricsOut.bin") == scene.files["InterOp/QMetricsOut.bin"]
    assert scene.picture().disk == {}


def test_a7_what_was_not_carried_stays_when_emptying_goes_on(scene: Scene) -> None:
    scene.once(FailPoint.TRASH_FILE_UNLINKED)
    (scene.trashed / "Data/late.txt").write_bytes(b"late")
    scene.once()
    row = scene.lab.the_run()
    assert (row.status, row.emptied_at is not None) == ("finished", True)
    assert tree_of(scene.trashed) == {"Data/late.txt": b"late"}


def test_a7_a_file_written_to_in_the_trash_stays_when_emptying_goes_on(scene: Scene) -> None:
    scene.once(FailPoint.TRASH_FILE_UNLINKED)
    with (scene.trashed / "InterOp/QMetricsOut.bin").open("ab") as file:
        file.write(b"and more")
    scene.files["InterOp/QMetricsOut.bin"] += b"and more"
    scene.lab.once(expect=None)
    scene.assert_law()
    assert "InterOp/QMetricsOut.bin" in tree_of(scene.trashed)
