"""The lakes that runs are carried to: Azurite, and the server that discards."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from demo.emulator import ACCOUNT, KEY, Emulator
from demo.processes import start
from demo.stage import AZURITE, REPO

CONTAINER = "lake"
LAKES = ("discard", "line", "azurite")
#: What a lab's line to its lake may bring, in megabits per second.
LINE = 1000
_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Lake:
    """An empty container on a server of its own."""

    kind: str
    port: int

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def account_url(self) -> str:
        """The account's address."""
        return f"http://{self.host}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """All that a client needs."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.account_url};"
        )

    def sas_url(self) -> str:
        """The container's address with a signature for a day."""
        token = generate_container_sas(
            ACCOUNT,
            CONTAINER,
            account_key=KEY,
            permission=ContainerSasPermissions.from_string("rcwl"),
            expiry=datetime.now(UTC) + timedelta(days=1),
        )
        return f"{self.account_url}/{CONTAINER}?{token}"

    def client(self) -> ContainerClient:
        """For looking at it, outside of what is timed."""
        return ContainerClient.from_connection_string(self.connection_string, CONTAINER)


@contextmanager
def fresh(kind: str, root: Path) -> Iterator[Lake]:
    """A new server for each carrying: what one left behind slows down nobody else."""
    with (
        tempfile.TemporaryDirectory(dir=root, prefix=f"{kind}-") as folder,
        _served(kind, Path(folder)) as port,
    ):
        lake = Lake(kind, port)
        with lake.client() as client:
            client.create_container()
        yield lake


def _served(kind: str, folder: Path) -> AbstractContextManager[int]:
    if kind == "azurite":
        return _azurite(folder)
    return _discarding(folder, LINE if kind == "line" else 0)


@contextmanager
def _azurite(folder: Path) -> Iterator[int]:
    emulator = Emulator(AZURITE, folder / "azurite")
    try:
        yield emulator.port
    finally:
        emulator.stop()


@contextmanager
def _discarding(folder: Path, mbps: int) -> Iterator[int]:
    log = folder / "server.log"
    argv = [sys.executable, "-m", "benchmarks.discard", "--mbps", str(mbps)]
    child = start(argv, log, dies_with_us=signal.SIGKILL, cwd=REPO)
    try:
        until = time.monotonic() + _START_SECONDS
        while not (said := log.read_text()).endswith("\n"):
            if child.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the discarding server did not start: {said}")
            time.sleep(0.02)
        yield int(said)
    finally:
        child.end(5.0)
