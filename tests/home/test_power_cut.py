"""The power of a machine fails in the middle of a transfer; at its next boot the run goes on.

The whole of it: Debian with its own kernel and disk, the service as `make install` puts it there,
started by systemd. What was not on the disk is lost, as with real power.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.core.manifest import parse_marker
from datalake_syncd.core.model import Status, Step
from demo.sequencer import MiSeqRun
from tests.e2e.lab import log_lines
from tests.home.roots import run as run_here
from tests.home.virtual_machine import HOST, virtual_machine
from tests.servers import REPO, Azurite

pytestmark = [pytest.mark.home, pytest.mark.timeout(1800)]

SERVICE = "datalake-syncd.service"
STATE = "var/lib/datalake-syncd"
LOG = "var/log/datalake-syncd/syncd.log"
#: A megabit a second: the run is on its way for half a minute and more.
SLOWLY = 1
#: Seconds for a boot of an emulated machine and its part of the work, on a busy one.
LONG = 600


def configuration(azurite: Azurite, lake: str) -> str:
    return f"""
[lake]
account_url = "{azurite.account_url.replace("127.0.0.1", HOST)}"
container = "{lake}"
auth = "connection-string"
secret_file = "${{CREDENTIALS_DIRECTORY}}/lake-secret"
[daemon]
scan_interval = "1s"
[azcopy]
cap_mbps = {SLOWLY}
[log]
file = "/{LOG}"
format = "json"
[instruments.miseq]
kind = "miseq"
source = "/srv/instruments/miseq"
destination = "miseq-out"
quiet = "1s"
"""


def lay_out(root: Path, azurite: Azurite, lake: str, files: dict[str, bytes], name: str) -> None:
    """What the installation leaves to people: configuration, secret, start at boot; and a run."""
    etc = root / "etc/datalake-syncd"
    (etc / "config.toml").write_text(configuration(azurite, lake))
    secret = etc / "credentials/lake-secret"
    secret.touch(mode=0o600)
    secret.write_text(azurite.connection_string.replace("127.0.0.1", HOST))
    own = root / f"etc/systemd/system/{SERVICE}.d"
    own.mkdir()
    (own / "credentials.conf").write_bytes(
        (REPO / "systemd/examples/credentials.conf").read_bytes()
    )
    run_here("systemctl", f"--root={root}", "enable", SERVICE)
    for path, data in files.items():
        file = root / "srv/instruments/miseq" / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def ledger_is_whole(state: Path, name: str) -> None:
    """Its pages are sound, and what it says is what was done."""
    with contextlib.closing(sqlite3.connect(state / "ledger.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with contextlib.closing(Ledger(state, writable=False)) as ledger:
        run = ledger.runs.get("miseq", name)
        assert run is not None
        history = [event.event for event in ledger.runs.history(run.id, limit=1000)]
    assert (run.done, run.status, run.generation) == (Step.PUBLISH, Status.FINISHED, 1)
    assert run.published_at is not None
    assert history.count("run.given-back") == 1, "the next boot took it up where it was"


def test_a8_the_power_fails_in_mid_transfer_and_the_run_goes_on(
    tmp_path: Path, azurite: Azurite
) -> None:
    run = MiSeqRun("230101_M00001_0006_000000000-AAAAA", cycles=(20,), tiles=1)
    files = {**run.files(), **{f"Data/more/{n}.bin": os.urandom(200_000) for n in range(20)}}
    lake = azurite.make_container(f"power-{uuid.uuid4().hex[:12]}")
    prefix = f"miseq-out/{run.name}"

    def there() -> set[str]:
        return set(lake.list_blob_names(name_starts_with=f"{prefix}/"))

    def published() -> bool:
        return lake.get_blob_client(f"{prefix}.sync").exists()

    with virtual_machine(tmp_path) as vm:
        with vm.new_disk() as root:
            lay_out(root, azurite, lake.container_name, files, run.name)
        vm.boot()
        vm.wait_for(lambda: len(there()) > 5, LONG, "some of it is in the lake")
        vm.cut()
        before = len(there())
        assert before < len(files), "it was too quick to be cut in the middle"
        assert not published()

        vm.boot()
        vm.wait_for(published, LONG, "published")
        vm.power_off()
        for path, data in files.items():
            assert lake.download_blob(f"{prefix}/{path}").readall() == data, path
        _, marker = parse_marker(lake.download_blob(f"{prefix}.sync").readall())
        with vm.old_disk() as root:
            log = log_lines((root / LOG).read_text())
            ledger_is_whole(root / STATE, run.name)
    assert marker["files"] == str(len(files))
    assert len(there()) == len(files)
    events = [line["event"] for line in log]
    # Ended in good order only once, at the end: it was a cut.
    assert events.count("service.stopped") == 1
    assert events.count("run.published") == 1
