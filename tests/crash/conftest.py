"""A scene for each test, and the end of one that nobody disturbed."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.crash.scene import OWN_SHEET, PREFIX, Picture, Scene, make_scene
from tests.servers import Azurite


@pytest.fixture
def scene(tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path) -> Scene:
    """A MiSeq run that is ready to go all the way."""
    assert azcopy_path.exists()
    return make_scene(tmp_path, azurite, container)


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, azurite: Azurite, azcopy_path: Path
) -> Picture:
    """How the scene ends when nothing happens; once for all tests of this process."""
    assert azcopy_path.exists()
    container = f"lake-{uuid.uuid4().hex[:12]}"
    azurite.make_container(container)
    scene = make_scene(tmp_path_factory.mktemp("undisturbed"), azurite, container)
    scene.once()
    picture = scene.picture()
    # The yardstick itself: otherwise a fault on the plain road would look like none.
    for path, data in scene.files.items():
        name = OWN_SHEET if path == "SampleSheet.csv" else path
        assert picture.blobs[f"{PREFIX}/{name}"] == data
    assert picture.blobs[f"{PREFIX}/SampleSheet.csv"] == scene.sheet
    assert len(picture.blobs) == len(scene.files) + 3
    assert picture.snapshots == {f"{PREFIX}/SampleSheet.csv": 1}
    assert (picture.run["done"], picture.run["status"]) == ("prune", "finished")
    assert picture.run["emptied"]
    assert picture.disk == {}
    assert set(picture.events.values()) == {1}
    return picture
