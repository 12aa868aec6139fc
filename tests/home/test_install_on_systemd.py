"""`make install`, upgrades and `make uninstall` on a machine with systemd; and the other units.

One machine for all tests of this file, in their order. It is not given a lake: the service waits
for one, as it would on a bad day, and all of this must do no harm to it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.home.machine import Machine, machine
from tests.home.roots import PROGRAM, UNITS, WHEELS, lay_sources
from tests.home.test_install import a_tree
from tests.servers import REPO

pytestmark = [pytest.mark.home, pytest.mark.timeout(900)]

SERVICE = "datalake-syncd.service"
CONFIGURATION = """
[lake]
account_url = "http://127.0.0.1:9/devstoreaccount1"
container = "lake"
auth = "connection-string"
secret_file = "/etc/datalake-syncd/lake-secret"
[instruments.miseq]
kind = "miseq"
source = "/srv/instruments/miseq"
destination = "miseq-out"
"""
SECRET = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=AAAA;"
SECRET += "BlobEndpoint=http://127.0.0.1:9/devstoreaccount1;"


class Place:
    """The machine, and the project's tree on it."""

    def __init__(self, box: Machine, tree: Path) -> None:
        self.box = box
        self.tree = tree

    def tool(self, target: str, expect: int = 0) -> str:
        """``tools/install.sh`` as root; its packages are on the machine already."""
        environment = ["env", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={WHEELS}"]
        script = self.tree / "tools/install.sh"
        return self.box.call(*environment, script, target, expect=expect, timeout=300)[1]

    @property
    def release(self) -> str:
        """The one that is current."""
        return os.readlink(self.box.inside(PROGRAM / "current")).removeprefix("releases/")

    @property
    def releases(self) -> set[str]:
        return {path.name for path in self.box.inside(PROGRAM / "releases").iterdir()}

    @property
    def running(self) -> str:
        """The release that the service runs from."""
        pid = self.box.property("MainPID")
        words = self.box.ask("cat", f"/proc/{pid}/cmdline").split("\0")
        found = re.fullmatch(rf"{PROGRAM}/releases/([^/]+)/bin/python3", words[0])
        assert found is not None, words
        return found[1]

    def there(self, path: str | Path) -> bool:
        return self.box.inside(path).exists()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A machine that runs, with nothing but the project's tree on it."""
    with machine(tmp_path_factory.mktemp("machine"), "plain", installed=False) as box:
        tree = lay_sources(box.root)
        box.inside("/srv/instruments/miseq").mkdir(parents=True)
        assert box.boot() == "running", box.ask("systemctl", "--failed")
        yield Place(box, tree)


def test_installed_it_can_be_enabled_at_once(place: Place) -> None:
    """User, folders and units are there and known to systemd; nothing was started."""
    told = place.tool("install")
    assert "Nothing was started" in told
    box = place.box
    assert "datalake-syncd" in box.ask("id", "-un", "datalake-syncd")
    credentials = box.ask("stat", "-c", "%U %a", "/etc/datalake-syncd/credentials")
    assert credentials == "root 700"
    assert box.property("FragmentPath") == f"{UNITS}/{SERVICE}"
    assert (box.property("LoadState"), box.property("ActiveState")) == ("loaded", "inactive")
    assert box.property("NeedDaemonReload") == "no"
    assert "datalake-syncd, version" in box.ask("datalake-syncd", "--version")
    box.inside("/etc/datalake-syncd/config.toml").write_text(CONFIGURATION)
    secret = box.inside("/etc/datalake-syncd/lake-secret")
    secret.write_text(SECRET)
    box.call("chown", "datalake-syncd", "/etc/datalake-syncd/lake-secret")
    secret.chmod(0o400)
    box.call("systemctl", "enable", "--now", "datalake-syncd")
    assert box.property("ActiveState") == "active"
    assert place.running == place.release


def test_upgrades_keep_the_release_that_runs(place: Place) -> None:
    """It goes on from its own files through any number of them, until it is restarted."""
    first, pid = place.release, place.box.property("MainPID")
    changed = place.box.inside(UNITS / SERVICE).read_text()
    with place.box.inside(place.tree / "systemd" / SERVICE).open("a") as unit:
        unit.write("# of a newer version\n")
    for _ in range(2):
        place.tool("install")
        assert first in place.releases
    assert (place.running, place.box.property("MainPID")) == (first, pid)
    assert place.release != first
    assert len(place.releases) == 3
    assert place.box.inside(UNITS / SERVICE).read_text() != changed
    assert place.box.property("NeedDaemonReload") == "no", "systemd was told of the new units"
    place.box.call("systemctl", "restart", "datalake-syncd")
    assert place.running == place.release
    place.tool("install")
    assert first not in place.releases
    assert place.running in place.releases


def test_nothing_is_removed_while_it_runs(place: Place) -> None:
    pid, releases = place.box.property("MainPID"), place.releases
    told = place.tool("uninstall", expect=2)
    assert f"{SERVICE} is running" in told
    assert f"systemctl disable --now {SERVICE}" in told
    assert (place.box.property("ActiveState"), place.box.property("MainPID")) == ("active", pid)
    assert place.releases == releases
    assert place.box.property("UnitFileState") == "enabled"
    place.box.call("systemctl", "disable", "--now", "datalake-syncd")


@pytest.mark.parametrize("unit", [SERVICE, "datalake-syncd-once.service"])
def test_nor_while_it_starts_or_makes_a_pass(place: Place, unit: str) -> None:
    """systemd calls a first scan, and a pass from its begin to its end, "activating"."""
    folder = place.box.inside(f"/etc/systemd/system/{unit}.d")
    folder.mkdir()
    (folder / "long.conf").write_text("[Service]\nExecStartPre=/bin/sleep infinity\n")
    place.box.call("systemctl", "daemon-reload")
    place.box.call("systemctl", "start", "--no-block", unit)
    place.box.wait_for(lambda: place.box.property("ActiveState", unit) == "activating")
    assert f"{unit} is running" in place.tool("uninstall", expect=2)
    assert place.there(UNITS / unit)
    place.box.call("systemctl", "stop", unit)
    place.box.call("systemctl", "reset-failed", unit)
    shutil.rmtree(folder)
    place.box.call("systemctl", "daemon-reload")


def test_stopped_it_goes_and_what_people_wrote_stays(place: Place) -> None:
    told = place.tool("uninstall")
    assert "Configuration" in told
    assert not place.there(PROGRAM)
    assert not place.there("/usr/local/bin/datalake-syncd")
    assert place.box.property("LoadState") == "not-found"
    assert place.there("/etc/datalake-syncd/config.toml")
    assert place.there("/var/lib/datalake-syncd/ledger.sqlite")


def test_a_debian_package_of_it(place: Place, tmp_path: Path) -> None:
    """`make deb`, installed, upgraded while it runs, and removed; as the archive says, too."""
    tree = a_tree(tmp_path)
    made = subprocess.run(
        ["make", "deb"], cwd=tree.root, capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "PYTHON": "/usr/bin/python3"},
    )  # fmt: skip
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-3000:]
    package = tree.root / made.stdout.splitlines()[-1]
    assert tree.hash in package.name
    listed = subprocess.run(
        ["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {line.split()[1] for line in listed} == {"root/root"}
    paths = {line.split(maxsplit=5)[5].partition(" -> ")[0] for line in listed}
    for path in (
        "./opt/datalake-syncd/bin/datalake-syncd",
        "./opt/datalake-syncd/bin/azcopy",
        "./usr/bin/datalake-syncd",
        f"./usr/lib/systemd/system/{SERVICE}",
        "./usr/lib/sysusers.d/datalake-syncd.conf",
        "./usr/lib/tmpfiles.d/datalake-syncd.conf",
        "./usr/share/man/man1/datalake-syncd.1",
        "./usr/share/doc/datalake-syncd/config.example.toml",
    ):
        assert path in paths, path
    assert not [path for path in paths if path.startswith(("./etc", "./usr/local", "./var"))]

    box = place.box
    shutil.copy(package, box.inside("/var/tmp"))
    box.call("dpkg", "--install", f"/var/tmp/{package.name}")
    assert box.property("FragmentPath") in {
        f"/usr/lib/systemd/system/{SERVICE}",
        f"/lib/systemd/system/{SERVICE}",
    }
    assert box.property("ActiveState") == "inactive"
    box.call("systemctl", "enable", "--now", "datalake-syncd")
    pid = box.property("MainPID")
    box.call("dpkg", "--install", f"/var/tmp/{package.name}")
    assert box.property("ActiveState") == "active"
    assert box.property("MainPID") != pid, "it goes on with the new version"
    box.call("dpkg", "--remove", "datalake-syncd")
    assert box.property("ActiveState") == "inactive"
    assert not place.there("/usr/bin/datalake-syncd")
    assert not place.there(PROGRAM)
    assert place.there("/etc/datalake-syncd/config.toml")
    assert place.there("/var/lib/datalake-syncd/ledger.sqlite")
    assert box.property("LoadState") == "not-found"
    assert not list(box.inside("/etc/systemd/system").glob(f"*/{SERVICE}")), "it is disabled, too"


def test_the_unit_for_docker_tells_when_it_fails(place: Place) -> None:
    """With a stand-in for the wrapper: systemd restarts it and tells, but not of a good stop."""
    box, unit = place.box, "datalake-syncd-docker.service"
    engine = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
    units = box.inside("/etc/systemd/system")
    (units / "docker.service").write_text(engine)
    shutil.copy(REPO / "docker" / unit, units)
    shutil.copy(REPO / "systemd/datalake-syncd-failure@.service", units)
    (units / f"{unit}.d").mkdir()
    (units / f"{unit}.d/soon.conf").write_text("[Service]\nRestartSec=1s\n")
    box.inside("/usr/bin/docker").symlink_to("/bin/true")
    wrapper = box.inside("/usr/local/bin/datalake-syncd-docker")
    wrapper.write_text("#!/bin/sh\nexec sleep infinity\n")
    wrapper.chmod(0o755)
    box.call("systemctl", "daemon-reload")
    failure = f"datalake-syncd-failure@{unit}.service"

    box.call("systemctl", "start", unit)
    assert box.property("ActiveState", "docker.service") == "active"
    box.call("systemctl", "stop", unit)
    assert failure not in box.ask("journalctl", "--no-pager", "-o", "cat")

    box.call("systemctl", "start", unit)
    pid = box.property("MainPID", unit)
    box.call("kill", "-SEGV", pid)
    box.wait_for(
        lambda: re.search(rf"{unit} on \S+ failed", box.journal(failure)), told="somebody is told"
    )
    box.wait_for(lambda: box.property("MainPID", unit) not in (pid, "0"), told="it is there again")
    box.call("systemctl", "stop", unit)
