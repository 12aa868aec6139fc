"""A fresh lab for each end-to-end test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.lab import Lab
from tests.servers import Azurite


@pytest.fixture
def lab(tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path) -> Lab:
    """Two instruments, one lake, real azcopy."""
    assert azcopy_path.exists()
    return Lab(tmp_path, azurite, container)
