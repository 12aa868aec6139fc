"""Fixtures for all tests: the lake (a real Azurite), azcopy, the files of real instruments."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import AZCOPY, AZURITE, REPO, Azurite, Certificate, TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tests start the service some seven hundred times. Where the environment forbids Python to keep
# what it compiled, as that of containers often does, each start would compile all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that starts the tests in the background has SIGINT ignored, and so would every service
# that they start: none could be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about the code; what hangs is ended
# by pytest's own time limit.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


def need(there: bool, what: str) -> None:
    """Skip a test whose service is missing on a laptop; fail it where CI=true."""
    if there:
        return
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{what} is missing, and CI=true allows no gaps", pytrace=False)
    pytest.skip(f"{what} is missing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the real lake or azcopy, and begin with what takes longest.

    So no test forgets its own mark, and none that waits for a minute is the last one to wait.
    """
    real = {"azurite", "azurite_tls", "container", "azcopy_path"}
    for item in items:
        if isinstance(item, pytest.Function) and real.intersection(item.fixturenames):
            item.add_marker(pytest.mark.azurite)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The root of the repository."""
    return REPO


@pytest.fixture(scope="session")
def azcopy_path() -> Path:
    """The pinned azcopy."""
    need(AZCOPY.exists(), "azcopy (make setup)")
    return AZCOPY


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One Azurite over http for all tests of this process; leave it running.

    A test that stops or kills its lake makes an :class:`Azurite` of its own.
    """
    need(AZURITE.exists(), "Azurite (make setup)")
    with Azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-signed certificate for 127.0.0.1."""
    return Certificate.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def azurite_tls(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[Azurite]:
    """One Azurite over https that takes the tokens of ``token_server``; leave it running."""
    need(AZURITE.exists(), "Azurite (make setup)")
    with Azurite(tmp_path_factory.mktemp("azurite-tls"), certificate) as server:
        yield server


@pytest.fixture
def token_server(certificate: Certificate) -> Iterator[TokenServer]:
    """A fresh token server, its count at zero."""
    with TokenServer(certificate) as server:
        yield server


@pytest.fixture
def container(azurite: Azurite) -> str:
    """The name of a fresh, empty container in ``azurite``."""
    name = f"lake-{uuid.uuid4().hex[:12]}"
    azurite.make_container(name)
    return name


@pytest.fixture(scope="session")
def instrument_files() -> Path:
    """Files that real instruments wrote; they are too large to be part of the repository.

    Looked for in ``$INSTRUMENT_FILES``, then beside the repository. Always a skip when they
    are missing: nobody but the lab has them.
    """
    beside = REPO.parent / "shared" / "instrument-files"
    folder = Path(os.environ.get("INSTRUMENT_FILES", beside))
    if not folder.is_dir():
        pytest.skip(f"no instrument files in {folder}")
    return folder
