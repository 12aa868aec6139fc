"""A fresh lab for each end-to-end test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import Lab
from tests.proxy import Proxy
from tests.servers import Azurite


@pytest.fixture
def lab(tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path) -> Lab:
    """Two instruments, one lake, real azcopy."""
    assert azcopy_path.exists()
    return Lab(tmp_path, azurite, container)


@pytest.fixture
def proxy(lab: Lab) -> Iterator[Proxy]:
    """Before the lake from the beginning: another address would be another lake.

    It does no harm until a test gives it a rule, and counts what is asked for.
    """
    with Proxy(lab.azurite.host) as proxy:
        lab.account_url = proxy.account_url
        lab.configure()
        yield proxy
