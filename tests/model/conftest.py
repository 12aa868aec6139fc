"""What all walks share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def other_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another disk with a run on it that is not ours; beside it an empty mount point."""
    folder = tmp_path_factory.mktemp("disks")
    (folder / "other-disk" / "x9").mkdir(parents=True)
    (folder / "mountpoint").mkdir()
    return folder / "other-disk"
