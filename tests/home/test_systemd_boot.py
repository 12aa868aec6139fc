"""The service on a machine of its own: a real systemd boots it, reloads it, kills it, restarts it.

One machine for all tests of this file, in their order; the lake is Azurite on this machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.sequencer import MiSeqRun, NextSeqRun, SequencerRun
from tests.e2e.runs import miseq, nextseq
from tests.home.machine import Machine, machine
from tests.home.roots import PROGRAM, UNITS
from tests.home.roots import run as run_here
from tests.servers import REPO, Azurite

pytestmark = [pytest.mark.home, pytest.mark.timeout(600)]

SERVICE = "datalake-syncd.service"
CONFIG = "/etc/datalake-syncd/config.toml"
SECRET = "/etc/datalake-syncd/credentials/lake-secret"
STATE = "/var/lib/datalake-syncd"
#: The group that may read the instruments' folders, and nobody else may.
GROUP = 777


class Place:
    """The machine with its instruments, and the lake."""

    def __init__(self, box: Machine, azurite: Azurite) -> None:
        self.box = box
        self.lake = azurite.make_container(f"home-{uuid.uuid4().hex[:12]}")
        self.azurite = azurite
        self.instruments = {"miseq": "miseq"}
        self.prune: str | None = None

    def source(self, instrument: str) -> Path:
        return self.box.inside(f"/srv/instruments/{instrument}")

    def configure(self, more: str = "") -> None:
        text = f"""
[lake]
account_url = "{self.azurite.account_url}"
container = "{self.lake.container_name}"
auth = "connection-string"
secret_file = "${{CREDENTIALS_DIRECTORY}}/lake-secret"
[daemon]
scan_interval = "1s"
[log]
file = "/var/log/datalake-syncd/syncd.log"
"""
        for name, kind in self.instruments.items():
            text += f"""
[instruments.{name}]
kind = "{kind}"
source = "/srv/instruments/{name}"
destination = "{name}-out"
quiet = "0.5s"
"""
            if self.prune == name:
                text += f'[instruments.{name}.prune]\nenabled = true\nkeep = "0s"\ntrash = "1h"\n'
        self.box.inside(CONFIG).write_text(text + more)

    def write(self, instrument: str, run: SequencerRun) -> None:
        """A run as an instrument's share shows it: of somebody else, readable for a group."""
        aside = self.box.inside("/srv/aside")
        run.write_all(aside)
        for path in [aside / run.name, *(aside / run.name).rglob("*")]:
            shutil.chown(path, 65534, GROUP)
            path.chmod(0o770 if path.is_dir() else 0o640)
        (aside / run.name).rename(self.source(instrument) / run.name)

    def drop_in(self, name: str, text: str | None) -> None:
        folder = self.box.inside(f"/etc/systemd/system/{SERVICE}.d")
        folder.mkdir(exist_ok=True)
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
        self.box.call("systemctl", "daemon-reload")

    def command(self, *argv: str, expect: int | None = 0) -> str:
        return self.box.call("datalake-syncd", *argv, expect=expect)[1]

    def row(self, run: SequencerRun) -> dict[str, Any]:
        document = json.loads(self.command("status", "--json", "--all", expect=None))
        found = [row for row in document["runs"] if row["name"] == run.name]
        return found[0] if found else {}

    def wait_published(self, instrument: str, run: SequencerRun) -> None:
        self.box.wait_for(lambda: self.row(run).get("published_at"), told=f"{run.name} published")
        assert self.lake.get_blob_client(f"{instrument}-out/{run.name}.sync").exists()
        for path, data in run.files().items():
            blob = self.lake.get_blob_client(f"{instrument}-out/{run.name}/{path}")
            assert blob.download_blob().readall() == data


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, azurite: Azurite) -> Iterator[Place]:
    """A machine with the project installed and enabled, and one run that waits for it."""
    folder = tmp_path_factory.mktemp("machine")
    with machine(folder, "syncd") as box:
        one = Place(box, azurite)
        groups = box.root / "etc/group"
        groups.write_text(f"{groups.read_text()}instruments:x:{GROUP}:\n")
        for name in ("miseq", "nextseq"):
            one.source(name).mkdir(parents=True)
            shutil.chown(one.source(name), 65534, GROUP)
            one.source(name).chmod(0o770)
        box.inside(SECRET).write_text(azurite.connection_string)
        box.inside(SECRET).chmod(0o600)
        run_here("systemctl", f"--root={box.root}", "enable", SERVICE)
        own = box.inside(f"/etc/systemd/system/{SERVICE}.d")
        own.mkdir()
        shutil.copy(REPO / "systemd/examples/credentials.conf", own)
        group = "[Service]\nSupplementaryGroups=instruments\nRestartSec=1s\n"
        (own / "group.conf").write_text(group)
        one.configure()
        one.write("miseq", miseq(1))
        yield one


def test_it_boots_and_publishes(place: Place) -> None:
    """Enabled, it comes up with the machine; the secret is root's, and handed over."""
    assert place.box.boot() == "running", place.box.ask("systemctl", "--failed")
    assert place.box.property("ActiveState") == "active"
    place.wait_published("miseq", miseq(1))
    first_line = place.command("status").splitlines()[0]
    assert first_line == "1 instrument online; 0 runs on the way, none needs you."
    place.box.wait_for(lambda: place.box.property("StatusText") == first_line, told="STATUS=")
    assert f'Status: "{first_line}"' in place.box.ask("systemctl", "status", "datalake-syncd")
    assert "every part of it gets on" in place.command("health")
    assert place.box.ask("stat", "-c", "%U %a", SECRET) == "root 600"
    pid = place.box.property("MainPID")
    assert place.box.ask("stat", "-c", "%U", f"/proc/{pid}") == "datalake-syncd"
    # What runs is what was installed, by the launcher that looks at nobody's own packages.
    assert place.box.property("FragmentPath") == f"{UNITS}/{SERVICE}"
    release = os.readlink(place.box.inside(PROGRAM / "current"))
    words = place.box.ask("cat", f"/proc/{pid}/cmdline").split("\0")
    assert words[:2] == [f"{PROGRAM}/{release}/bin/python3", "-I"], words
    journal = place.box.journal()
    assert "AccountKey" not in journal
    assert place.azurite.account_key not in journal
    copy = place.box.inside("/var/log/datalake-syncd/syncd.log").read_text()
    assert "run.published" in copy


def test_ready_comes_after_the_first_scan(place: Place) -> None:
    """As long as a first scan goes on, systemd says "activating"; then the service is there."""
    run = miseq(2)
    hang, pulse = place.box.inside("/srv/hang"), place.box.inside(f"{STATE}/pulse.json")
    place.box.call("systemctl", "stop", "datalake-syncd")
    pulse.unlink()
    hang.touch()
    place.drop_in("hang.conf", "[Service]\nEnvironment=SYNCD_HANG=before-settle=/srv/hang\n")
    place.write("miseq", run)
    place.box.call("systemctl", "start", "--no-block", "datalake-syncd")
    # The watcher hangs at this run, and the loop that would say READY has come round.
    place.box.wait_for(lambda: place.row(run) and pulse.exists(), told="the scan has begun")
    assert place.box.property("SubState") == "start"
    assert "the first scan" in place.box.property("StatusText")
    hang.unlink()
    place.box.call("systemctl", "kill", "--signal=KILL", "datalake-syncd")
    place.box.wait_for(lambda: place.box.property("SubState") == "running", told="ready")
    (row,) = json.loads(place.command("status", "--json", expect=None))["instruments"]
    assert row["online"] is True
    place.wait_published("miseq", run)
    place.drop_in("hang.conf", None)
    place.box.call("systemctl", "restart", "datalake-syncd")


def test_systemd_on_that_machine_finds_nothing_wrong(place: Place) -> None:
    for unit in ("datalake-syncd.service", "datalake-syncd-once.service"):
        told = place.box.ask("systemctl", "cat", unit)
        assert PROGRAM.name in told
        lines = place.box.call("systemd-analyze", "verify", unit, expect=None)[1].splitlines()
        assert [line for line in lines if "man " not in line] == []
        place.box.call("systemd-analyze", "security", "--threshold=20", unit)
    pid = place.box.property("MainPID")
    walls = dict(
        line.split(":\t")
        for line in place.box.ask("cat", f"/proc/{pid}/status").splitlines()
        if line.startswith(("CapEff", "CapBnd", "NoNewPrivs", "Seccomp:"))
    )
    assert walls == {
        "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2",
    }  # fmt: skip


def test_a_new_instrument_comes_in_by_a_reload(place: Place) -> None:
    place.write("nextseq", nextseq(2))
    place.instruments["nextseq"] = "nextseq500"
    place.configure()
    pid = place.box.property("MainPID")
    place.box.call("systemctl", "reload", "datalake-syncd")
    place.wait_published("nextseq", nextseq(2))
    assert place.box.property("MainPID") == pid
    place.box.wait_for(lambda: "2 instruments online" in place.box.property("StatusText"))


def test_a_broken_configuration_is_refused_while_it_runs(place: Place) -> None:
    pid = place.box.property("MainPID")
    place.configure(more="nonsense = 1\n")
    code, told = place.box.call("systemctl", "reload", "datalake-syncd", expect=None)
    assert code != 0, told
    refused = "The changed configuration was refused; the old one is in force."
    place.box.wait_for(lambda: refused in place.box.property("StatusText"), told="told")
    assert (place.box.property("ActiveState"), place.box.property("MainPID")) == ("active", pid)
    place.write("miseq", miseq(3))
    place.wait_published("miseq", miseq(3))
    place.configure()
    place.box.call("systemctl", "reload", "datalake-syncd")
    place.box.wait_for(lambda: refused not in place.box.property("StatusText"), told="mended")


def test_a_worker_that_hangs_gets_it_killed_and_it_goes_on(place: Place) -> None:
    place.box.inside("/srv/hang").touch()
    place.drop_in(
        "hang.conf",
        "[Service]\nWatchdogSec=3s\nEnvironment=SYNCD_PULSE_WITHIN=5 "
        "SYNCD_HANG=before-verify=/srv/hang\n",
    )
    place.box.call("systemctl", "restart", "datalake-syncd")
    restarts = int(place.box.property("NRestarts"))
    place.write("miseq", miseq(4))
    place.box.wait_for(lambda: "loop.hangs" in place.box.journal(), told="the hang is told")
    place.box.inside("/srv/hang").unlink()
    place.box.wait_for(lambda: int(place.box.property("NRestarts")) > restarts, told="restarted")
    place.wait_published("miseq", miseq(4))
    journal = place.box.journal()
    assert "Watchdog timeout (limit 3s)!" in journal
    assert "Failed with result 'watchdog'" in journal
    assert "in reach" in journal, "the stack of the thread that hung"
    place.box.wait_for(lambda: place.box.property("ActiveState") == "active", told="active")
    told = place.box.journal(f"datalake-syncd-failure@{SERVICE}.service")
    assert re.search(r"datalake-syncd\.service on \S+ failed", told), told
    assert "hangs" not in place.command("status")
    place.drop_in("hang.conf", None)
    place.box.call("systemctl", "restart", "datalake-syncd")


def test_whoever_kills_it_finds_it_again(place: Place) -> None:
    for _ in range(7):  # more than systemd's usual five times in ten seconds
        pid = place.box.property("MainPID")
        place.box.call("kill", "-KILL", pid)
        place.box.wait_for(
            lambda pid=pid: (  # type: ignore[misc]
                place.box.property("ActiveState") == "active"
                and place.box.property("MainPID") not in (pid, "0")
            ),
            told="back",
        )
    place.write("miseq", miseq(5))
    place.wait_published("miseq", miseq(5))


def test_sources_are_read_only_until_the_drop_in_opens_them(place: Place) -> None:
    run = miseq(1)
    folder = place.source("miseq") / run.name
    place.prune = "miseq"
    place.configure()
    place.box.call("systemctl", "reload", "datalake-syncd")
    place.box.wait_for(lambda: place.row(run)["status"] == "blocked", told="prune is refused")
    row = place.row(run)
    assert "/srv/instruments/miseq is read-only for this service" in row["reason"], row
    assert "drop-in prune.conf" in place.command("why", run.name, expect=None)
    assert folder.is_dir()
    assert not (place.source("miseq") / ".datalake-syncd-trash").exists()

    example = (REPO / "systemd/examples/prune.conf").read_text()
    opened = example.replace("/srv/instruments/nextseq", "/srv/instruments/miseq")
    assert opened != example
    place.drop_in("prune.conf", opened)
    place.box.call("systemctl", "restart", "datalake-syncd")
    place.box.wait_for(lambda: not folder.exists(), told="pruned")
    (trashed,) = (place.source("miseq") / ".datalake-syncd-trash").glob(f"{run.name}.*")
    assert trashed.is_dir()
    place.command("undo", run.name)
    assert folder.is_dir()
    # The other source is as shut as before: nothing of the service can write there.
    pid = place.box.property("MainPID")
    inside = ["nsenter", "-t", pid, "-m", "sh", "-c"]
    code, told = place.box.call(*inside, "touch /srv/instruments/nextseq/x", expect=None)
    assert code != 0
    assert "Read-only file system" in told
    place.prune = None
    place.configure()
    place.drop_in("prune.conf", None)
    place.box.call("systemctl", "restart", "datalake-syncd")


def test_the_machine_dies_in_the_middle_and_comes_again(place: Place) -> None:
    """All its processes end at once; at the next boot the run goes on and is published."""
    run = MiSeqRun("230101_M00001_0006_000000000-AAAAA", cycles=(2,), tiles=1)
    place.write("miseq", run)
    place.box.wait_for(lambda: place.row(run).get("step") in ("settle", "transfer"), told="begun")
    place.box.die()
    assert place.box.boot() == "running"
    place.wait_published("miseq", run)
    assert place.row(run)["generation"] == 1


def test_a_pass_by_timer_instead(place: Place) -> None:
    place.box.call("systemctl", "disable", "--now", "datalake-syncd")
    own = place.box.inside(f"/etc/systemd/system/{SERVICE}.d")
    shutil.copytree(own, own.with_name("datalake-syncd-once.service.d"))
    (own.with_name("datalake-syncd-once.service.d") / "group.conf").write_text(
        "[Service]\nSupplementaryGroups=instruments\n"
    )
    place.box.call("systemctl", "daemon-reload")
    run = NextSeqRun("230102_NB500001_0007_AHAAAAAAXX", cycles=(2,), lanes=1, thumbnails=0)
    place.write("nextseq", run)
    place.box.call("systemctl", "enable", "--now", "datalake-syncd-once.timer")
    place.box.call("systemctl", "start", "datalake-syncd-once.service")
    place.wait_published("nextseq", run)
    assert place.box.property("Result", "datalake-syncd-once.service") == "success"
    assert "datalake-syncd-once.service" in place.box.ask("systemctl", "list-timers")


def test_it_stops_in_good_order_with_the_machine(place: Place) -> None:
    place.box.call("systemctl", "disable", "--now", "datalake-syncd-once.timer")
    place.box.call("systemctl", "start", "datalake-syncd")
    began = time.monotonic()
    place.box.call("systemctl", "stop", "datalake-syncd")
    assert time.monotonic() - began < 50
    assert place.box.property("Result") == "success"
    assert "service.stopped" in place.box.journal()
    place.box.power_off()
